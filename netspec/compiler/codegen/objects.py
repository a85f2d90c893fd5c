"""The object cache: a kernel is compiled once by Numba, and its object code is what every run loads.

Cold and warm runs execute the same bytes. A warm run imports neither Numba nor SciPy.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from netspec.compiler.codegen.folder import private_folder
from netspec.compiler.kernels import processor
from netspec.compiler.kernels.kernel import Kernel

MAGIC = b"netspec object 1\n"
SEAL = "; sha256 "  # begins the last line of the readable source
_DIGEST_BYTES = 64  # of a SHA-256 in hexadecimal, after the magic; then the object

_loaded: dict[str, int] = {}  # symbol to address
_engines: list[Any] = []  # the code lives as long as its engine
_lock = threading.RLock()


def load(kernels: Iterable[Kernel], progress: Callable[[int, int], None] | None = None) -> dict[Kernel, int]:
    """Addresses of kernels, compiled where the cache lacks them.

    ``progress(done, total)`` is called before each compilation and after the last.
    """
    wanted = {kernel: symbol(kernel) for kernel in kernels}
    with _lock:
        found: dict[str, bytes] = {}
        missing: dict[str, Kernel] = {}
        for kernel, name in wanted.items():
            if name in _loaded or name in found or name in missing:
                continue
            code = _read(_path(name))
            if code is None:
                missing[name] = kernel
            else:
                found[name] = code
        for done, (name, kernel) in enumerate(missing.items()):
            if progress:
                progress(done, len(missing))
            found[name] = _compile(kernel, name)
        if progress and missing:
            progress(len(missing), len(missing))
        if found:
            _loaded.update(_link(found))
        return {kernel: _loaded[name] for kernel, name in wanted.items()}


def symbol(kernel: Kernel) -> str:
    """The name of a kernel's function and file: by content, so that equal kernels are one."""
    content = "\0".join((kernel.text, _environment(), repr(processor.current())))
    return f"{kernel.name}_{hashlib.sha256(content.encode()).hexdigest()[:32]}"


def llvm_text(kernel: Kernel) -> str:
    """A kernel's optimised LLVM IR, its description as comments above."""
    with _lock:
        name = symbol(kernel)
        path = _path(name).with_suffix(".ll")
        found = _read_source(path)
        if found is None:
            _compile(kernel, name)
            found = _read_source(path)
        return found or _source(kernel, str(_compiled_module(kernel, name)))  # nothing can be written here


def assembly_text(kernel: Kernel) -> str:
    """A kernel's machine code in the processor's assembly language."""
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(llvm_text(kernel))
    return str(target_machine(processor.current()).emit_assembly(module))


def undefined_symbols(code: bytes) -> set[str]:
    """Names that an ELF object needs from elsewhere.

    Raises:
        ValueError: if the object is of another format.
    """
    import struct

    if code[:5] != b"\x7fELF\x02":
        raise ValueError("only 64-bit ELF objects can be examined")
    (start,) = struct.unpack_from("<Q", code, 0x28)
    size, count = struct.unpack_from("<HH", code, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", code, start + i * size) for i in range(count)]
    names = set()
    for _, kind, _, _, offset, length, link, _, _, entry in sections:
        if kind != 2:  # the symbol table
            continue
        strings = sections[link][4]
        for place in range(offset + entry, offset + length, entry):
            name, _, _, section = struct.unpack_from("<IBBH", code, place)
            if section == 0:
                first = strings + name
                names.add(code[first : code.index(b"\0", first)].decode())
    return names


def object_code(kernel: Kernel) -> bytes:
    """The object that the cache holds for a kernel, compiled if need be."""
    with _lock:
        name = symbol(kernel)
        return _read(_path(name)) or _compile(kernel, name)


def _path(name: str) -> Path:
    return private_folder("kernels") / f"{name}.o"


def _read(path: Path) -> bytes | None:
    """The object in a file; nothing if it is missing, torn or damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    start = len(MAGIC) + _DIGEST_BYTES
    digest, code = data[len(MAGIC) : start], data[start:]
    sound = data.startswith(MAGIC) and hashlib.sha256(code).hexdigest().encode() == digest
    return code if sound else None


def _read_source(path: Path) -> str | None:
    """The text in a file; nothing if it is missing, torn or damaged."""
    try:
        text, _, digest = path.read_text(encoding="utf-8").rpartition(SEAL)
    except (OSError, ValueError):
        return None
    return text if hashlib.sha256(text.encode()).hexdigest() == digest.strip() else None


def _write(path: Path, data: bytes) -> None:
    """Replace a file at once, so that another process reads all of it or none."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink()
    except OSError:
        pass  # a full disk costs the next run a compilation, not this one its result


@lru_cache(1)
def _environment() -> str:
    """What decides the code of a kernel beside its text: our sources and the compilers' versions."""
    from importlib.metadata import version

    compiler = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for room in ("kernels", "formula"):
        for path in sorted((compiler / room).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return f"{digest.hexdigest()} numba {version('numba')} llvmlite {version('llvmlite')}"


def _link(objects: dict[str, bytes]) -> dict[str, int]:
    """Addresses of the functions of some objects, in one engine."""
    import llvmlite.binding as llvm

    _initialise()
    empty = llvm.parse_assembly(f'target triple = "{llvm.get_process_triple()}"')
    engine = llvm.create_mcjit_compiler(empty, llvm.Target.from_default_triple().create_target_machine(jit=True))
    for code in objects.values():
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return {name: engine.get_function_address(name) for name in objects}


@lru_cache(1)
def _initialise() -> None:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _compile(kernel: Kernel, name: str) -> bytes:
    """Compile a kernel and put it into the cache, its readable source beside it."""
    module = _compiled_module(kernel, name)
    code: bytes = target_machine(processor.current()).emit_object(module)
    path = _path(name)
    source = _source(kernel, str(module)).encode()
    _write(path.with_suffix(".ll"), source + SEAL.encode() + hashlib.sha256(source).hexdigest().encode() + b"\n")
    _write(path, MAGIC + hashlib.sha256(code).hexdigest().encode() + code)
    return code


def _source(kernel: Kernel, module: str) -> str:
    return "".join(f"; {line}\n" for line in kernel.text.splitlines()) + "\n" + module


def _compiled_module(kernel: Kernel, name: str) -> Any:
    """The optimised LLVM module of a kernel, whose only visible function is called `name`."""
    import llvmlite.binding as llvm

    core, module = _translated(kernel)
    # Numba's own wrapper reports Python exceptions, which kernels do not raise: a plain one needs no symbol of Python.
    wrapper = f"""
        declare i32 @"{core}"(ptr, ptr, ptr, i64, i64, i64)
        define void @"{name}"(ptr %args, i64 %part, i64 %parts, i64 %thread) {{
            %result = alloca ptr
            %error = alloca ptr
            call i32 @"{core}"(ptr %result, ptr %error, ptr %args, i64 %part, i64 %parts, i64 %thread)
            ret void
        }}"""
    module.link_in(llvm.parse_assembly(wrapper))
    for item in [*module.functions, *module.global_variables]:
        if not item.is_declaration and item.name != name:
            item.linkage = "internal"
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    builder = llvm.create_pass_builder(target_machine(processor.current()), options)
    builder.getModulePassManager().run(module, builder)
    return module


def _translated(kernel: Kernel) -> tuple[str, Any]:
    """Numba's translation of a kernel, not optimised yet: the name of its function, and the module.

    The one place that uses Numba's private interface: a public `cfunc` would also make machine code that nobody runs.
    """
    from importlib import import_module

    # As `Any`: Numba's annotations differ from version to version and leave its inner parts out.
    numba: Any = import_module("numba")
    ccallback: Any = import_module("numba.core.ccallback")
    lock: Any = import_module("numba.core.compiler_lock").global_compiler_lock

    target = processor.current()
    if target.overridden and target.architecture == processor.architecture():
        numba.config.CPU_NAME, numba.config.CPU_FEATURES = target.name, target.features
    types = numba.types
    signature = types.void(types.CPointer(types.int64), *[types.int64] * 3)
    options = {"fastmath": {"contract"}, "error_model": "numpy", "nogil": True}
    function = ccallback.CFunc(kernel.build(), ((*signature.args,), signature.return_type), {}, options)
    with lock:
        level = numba.config.OPT
        numba.config.OPT = type(level)(0)  # it would optimise functions one by one, which ours below does once
        try:
            result = function._compile_uncached()
        finally:
            numba.config.OPT = level
        module = result.library._final_module.clone()
        for library in result.library._linking_libraries:
            module.link_in(library._get_module_for_linking(), preserve=True)
    return result.fndesc.llvm_func_name, module


@lru_cache
def target_machine(target: processor.Processor) -> Any:
    """LLVM's code generator for a processor, which may be another than this machine's."""
    import llvmlite.binding as llvm

    _initialise()
    if target.architecture == processor.architecture():
        triple = llvm.get_process_triple()
    else:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        triple = f"{target.architecture}-unknown-linux-gnu"
    model = "static" if target.architecture == "x86_64" else "default"
    return llvm.Target.from_triple(triple).create_target_machine(
        cpu=target.name, features=target.features, opt=3, reloc=model, codemodel="jitdefault", jit=True
    )
