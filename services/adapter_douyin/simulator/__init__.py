"""The simulated Douyin. Exports SIMULATOR, nothing else."""

from services.adapter_douyin.simulator.platform import SIMULATOR

__all__ = ["SIMULATOR"]
