"""The other side of the protocol: a command server with a job that only pretends to test."""

from devmode.commandserver.simulator.server import Simulator

__all__ = ["Simulator"]
