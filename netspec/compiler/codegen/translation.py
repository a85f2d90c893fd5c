"""From what builds a kernel to its LLVM module, by Numba."""

from __future__ import annotations

from typing import Any

from netspec.compiler.kernels import processor
from netspec.compiler.kernels.kernel import Kernel


def translated(kernel: Kernel, name: str) -> bytes:
    """The LLVM bitcode of a kernel, not optimised yet, whose only visible function is called `name`."""
    import llvmlite.binding as llvm

    core, module = _by_numba(kernel)
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
    bitcode: bytes = module.as_bitcode()
    return bitcode


def _by_numba(kernel: Kernel) -> tuple[str, Any]:
    """Numba's translation of a kernel: the name of its function, and the module.

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
        numba.config.OPT = type(level)(0)  # it would optimise functions one by one, which `machine_code` does once
        try:
            result = function._compile_uncached()
        finally:
            numba.config.OPT = level
        module = result.library._final_module.clone()
        for library in result.library._linking_libraries:
            module.link_in(library._get_module_for_linking(), preserve=True)
    return result.fndesc.llvm_func_name, module
