"""What this machine's processor does itself, and what would be emulated on it."""

from pathlib import Path

_CPU_FLAGS = Path("/proc/cpuinfo")
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def multiplies_bfloat16() -> bool:
    """Say whether the CPU multiplies bfloat16; emulated, it would be slower than float32."""
    try:
        lines = _CPU_FLAGS.read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _BFLOAT16_FLAGS.isdisjoint(flags.split())
