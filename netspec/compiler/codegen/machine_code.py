"""From a kernel's module, as Numba has translated it, to machine code: all that LLVM does, in any process."""

from __future__ import annotations

import os
import pickle
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from netspec.compiler.kernels import processor


@dataclass(frozen=True)
class Code:
    """The object code of a kernel, and the optimised LLVM IR that it was made of."""

    object: bytes
    text: str


def machine_code(module: bytes, target: processor.Processor) -> Code:
    """Optimise a module, given as LLVM bitcode, and make it into code for a processor."""
    import llvmlite.binding as llvm

    machine = target_machine(target)
    parsed = llvm.parse_bitcode(module)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(parsed, builder)
    return Code(machine.emit_object(parsed), str(parsed))


@lru_cache
def target_machine(target: processor.Processor) -> Any:
    """LLVM's code generator for a processor, which may be another than this machine's."""
    import llvmlite.binding as llvm

    initialise()
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


@lru_cache(1)
def initialise() -> None:
    """Make LLVM ready for this machine's processor."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def serve() -> None:
    """Answer each pair of bitcode and processor on standard input with its code, until there are no more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever LLVM prints is no answer
    while True:
        try:
            module, target = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(machine_code(module, target), answers)
        answers.flush()
