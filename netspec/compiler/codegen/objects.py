"""The object cache: a kernel is compiled once by Numba, and its object code is what every run loads.

Cold and warm runs execute the same bytes. A warm run imports neither Numba nor SciPy.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from netspec.compiler.codegen.folder import private_folder
from netspec.compiler.codegen.machine_code import Code, initialise, target_machine
from netspec.compiler.kernels import processor
from netspec.compiler.kernels.kernel import Kernel

MAGIC = b"netspec object 1\n"
SEAL = "; sha256 "  # begins the last line of the readable source
CODE = ("objects.py", "translation.py", "machine_code.py")  # what decides the code of a kernel, beside its room
_DIGEST_BYTES = 64  # of a SHA-256 in hexadecimal, after the magic; then the object

_loaded: dict[str, int] = {}  # symbol to address
_engines: list[Any] = []  # the code lives as long as its engine
_lock = threading.RLock()


def load(kernels: Iterable[Kernel], progress: Callable[[int, int], None] | None = None) -> dict[Kernel, int]:
    """Addresses of kernels, compiled where the cache lacks them.

    ``progress(done, total)`` is called before the first compilation and whenever a kernel is ready.
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
        if missing:
            found |= {name: code.object for name, code in _compiled(missing, progress).items()}
        if found:
            _loaded.update(_link(found))
        return {kernel: _loaded[name] for kernel, name in wanted.items()}


def _compiled(missing: Mapping[str, Kernel], progress: Callable[[int, int], None] | None = None) -> dict[str, Code]:
    """Compile kernels, and put each into the cache as soon as it is there."""
    from netspec.compiler.codegen.compilation import compile_kernels

    told = progress or (lambda done, total: None)
    found: dict[str, Code] = {}
    told(0, len(missing))
    for name, code in compile_kernels(missing):
        _keep(missing[name], name, code)
        found[name] = code
        told(len(found), len(missing))
    return found


def symbol(kernel: Kernel) -> str:
    """The name of a kernel's function and file: by content, so that equal kernels are one."""
    content = "\0".join((kernel.text, _environment(), repr(processor.current())))
    return f"{kernel.name}_{hashlib.sha256(content.encode()).hexdigest()[:32]}"


def llvm_text(kernel: Kernel) -> str:
    """A kernel's optimised LLVM IR, its description as comments above."""
    with _lock:
        name = symbol(kernel)
        path = _path(name).with_suffix(".ll")
        return _read_source(path) or _source(kernel, _compiled({name: kernel})[name].text)


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
        return _read(_path(name)) or _compiled({name: kernel})[name].object


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
    for name in CODE:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return f"{digest.hexdigest()} numba {version('numba')} llvmlite {version('llvmlite')}"


def _link(objects: dict[str, bytes]) -> dict[str, int]:
    """Addresses of the functions of some objects, in one engine."""
    import llvmlite.binding as llvm

    initialise()
    empty = llvm.parse_assembly(f'target triple = "{llvm.get_process_triple()}"')
    engine = llvm.create_mcjit_compiler(empty, llvm.Target.from_default_triple().create_target_machine(jit=True))
    for code in objects.values():
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return {name: engine.get_function_address(name) for name in objects}


def _keep(kernel: Kernel, name: str, code: Code) -> None:
    """Put a kernel into the cache, its readable source beside it."""
    path = _path(name)
    source = _source(kernel, code.text).encode()
    _write(path.with_suffix(".ll"), source + SEAL.encode() + hashlib.sha256(source).hexdigest().encode() + b"\n")
    _write(path, MAGIC + hashlib.sha256(code.object).hexdigest().encode() + code.object)


def _source(kernel: Kernel, module: str) -> str:
    return "".join(f"; {line}\n" for line in kernel.text.splitlines()) + "\n" + module
