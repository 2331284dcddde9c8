"""The simulated Weibo: both API families on one host, as the platform's documents and clients describe it.

Marks: [doc], [client], [memory] as in the adapter's README; [assumption] where no source says anything.
"""

from services.adapter_weibo.simulator.platform import SIMULATOR

__all__ = ["SIMULATOR"]
