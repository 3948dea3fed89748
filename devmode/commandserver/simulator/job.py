"""The simulated job: it obeys the commands of a command server as isotovideo does."""

import contextlib
import time
from collections.abc import Callable
from typing import Any, Protocol

import gevent
from gevent.event import Event

from devmode.commandserver.perl import is_true
from devmode.commandserver.simulator.schedule import (
    CheckScreen,
    Die,
    FailingScript,
    Module,
    SendKey,
    Step,
    TypeString,
)

GOODBYE_S = 0.01
Message = dict[str, Any]


class JobKilled(Exception):
    """A command that isotovideo dies of."""


class Progress(Protocol):
    """Whoever wants to know how far the job is."""

    def began(self, module: Module) -> None:
        """Take that a module begins."""

    def ended(self, module: Module, result: str) -> None:
        """Take the result of a module."""


class _TestDied(Exception):
    """The module that runs fails; `asked` when the pause for that failure is over already."""

    def __init__(self, message: str, *, asked: bool = False) -> None:
        super().__init__(message)
        self.asked = asked


class Job:
    """Runs a schedule, and pauses where it is told to."""

    def __init__(
        self, schedule: tuple[Module, ...], pace_s: float, tell: Callable[[Message], None]
    ) -> None:
        self.progress: Progress | None = None
        self._schedule = schedule
        self._pace_s = pace_s
        self._tell = tell
        self._module: Module | None = None
        self._full_name: str | None = None
        self._function: str | None = None
        self._check: CheckScreen | None = None
        self._deadline = 0.0
        self._pause_at: Any = None
        self._on_mismatch: Any = False
        self._on_next_command = 0
        self._on_failure = 0
        self._reason: str | None = None
        self._held: Message | None = None
        self._resumed = Event()
        self._options: Any = None
        self._commands: dict[str, Callable[[Message], None]] = {
            "status": lambda _command: self._tell(self._status()),
            "set_pause_at_test": self._set_pause_at,
            "set_pause_on_screen_mismatch": self._set_on_mismatch,
            "set_pause_on_next_command": self._set_on_next_command,
            "set_pause_on_failure": self._set_on_failure,
            "set_assert_screen_timeout": self._set_timeout,
            "resume_test_execution": self._resume,
            "pause_test_execution": self._pause_now,
        }

    def obey(self, command: Message) -> None:
        """Carry a command out; raise `JobKilled` when it ends the job."""
        name = command.get("cmd")
        if not isinstance(name, str) or name not in self._commands:
            raise JobKilled(f"unknown command {name}")
        self._commands[name](command)

    def run(self) -> None:
        """Run to the end and say goodbye."""
        self._call("can_handle", {"function": "snapshots"})
        for module in self._schedule:
            self._run(module)
        self.say_goodbye()

    def say_goodbye(self) -> None:
        """Tell that the job ends."""
        self._tell({"stop_processing_isotovideo_commands": 1})
        gevent.sleep(GOODBYE_S)
        self._tell({"stopping_test_execution": "test execution ended"})

    def _run(self, module: Module) -> None:
        self._module = module
        if self.progress is not None:
            self.progress.began(module)
        self._enter(module.full_name)
        result = "ok"
        try:
            for step in module.steps:
                self._perform(step)
        except _TestDied as died:
            result = "fail"
            self._fail(module, died)
        self._module = self._full_name = None
        self._tell({"set_current_test": None, "current_test_full_name": None})
        if self.progress is not None:
            self.progress.ended(module, result)

    def _fail(self, module: Module, died: _TestDied) -> None:
        if self._on_failure and not died.asked:
            self._pause(f"test died: {died}\n")
            if _ignores_failure(self._options):
                return
        self._enter(f"{module.full_name} (post fail hook)")
        self._perform(SendKey("ctrl-c"))

    def _enter(self, full_name: str) -> None:
        assert self._module is not None  # noqa: S101 - only within a module
        self._full_name = full_name
        name = self._module.name
        self._tell({"set_current_test": name, "current_test_full_name": full_name})
        if self._pause_at and self._pause_at in (name, full_name):
            self._pause(f"reached module {self._pause_at}")

    def _perform(self, step: Step) -> None:
        match step:
            case TypeString(text):
                self._call("type_string", {"text": text})
            case SendKey(key):
                self._call("send_key", {"key": key})
            case CheckScreen():
                self._look(step)
            case FailingScript(command):
                self._call("type_string", {"text": command})
                self._fail_script(command)
            case Die(message):
                raise _TestDied(message)

    def _fail_script(self, command: str) -> None:
        if self._on_failure:
            self._pause(f"assert_script_run failed: command '{command}' timed out")
            if _ignores_failure(self._options):
                return
        raise _TestDied(f"command '{command}' timed out", asked=bool(self._on_failure))

    def _call(self, function: str, arguments: Message) -> None:
        backend_command = {**arguments, "cmd": f"backend_{function}", "json_cmd_token": "simulate"}
        self._hold(backend_command)
        self._function = function
        self._tell({function: backend_command, "current_api_function": function})
        gevent.sleep(self._pace_s)

    def _hold(self, command: Message) -> None:
        """Pause before a command, and again for as long as the reason persists."""
        while self._reason is not None or self._on_next_command:
            reason = f"reached {command['cmd']} and pause on next command enabled"
            self._pause(self._reason or reason, command)

    def _look(self, step: CheckScreen) -> None:
        check = {
            "mustmatch": step.tag,
            "timeout": step.timeout_s,
            "check": int(not step.must_match),
        }
        while True:
            self._hold({"cmd": "check_screen", **check})
            self._function = step.function
            self._tell({"check_screen": check, "current_api_function": step.function})
            if self._appears(step):
                return
            text = f"match={step.tag} timed out after {step.timeout_s:g} ({step.function})"
            if not self._pauses_on(step):
                break
            self._pause(text, echoed={"cmd": "report_timeout", "msg": text, "tags": [step.tag]})
            if self._options is not None and not is_true(self._options):
                break
            self._call("reload_needles", {})
        if step.must_match:
            raise _TestDied(f"no candidate needle with tag(s) '{step.tag}' matched")

    def _pauses_on(self, step: CheckScreen) -> bool:
        return bool(self._on_mismatch in ("check_screen", step.function))

    def _appears(self, step: CheckScreen) -> bool:
        began = time.monotonic()
        self._check, self._deadline = step, began + step.timeout_s
        try:
            while time.monotonic() < self._deadline:
                elapsed = time.monotonic() - began
                if step.appears_after_s is not None and elapsed >= step.appears_after_s:
                    return True
                gevent.sleep(min(self._pace_s, 0.1))
            return False
        finally:
            self._check = None

    def _pause(
        self, reason: str, held: Message | None = None, *, echoed: Message | None = None
    ) -> None:
        self._reason, self._held, self._options = reason, held, None
        self._resumed.clear()
        self._tell({"paused": held or echoed or 1, "reason": reason})
        self._resumed.wait()

    def _status(self) -> Message:
        return {
            "running": self._module.name if self._module else None,
            "current_test_full_name": self._full_name,
            "current_api_function": self._function,
            "tags": [self._check.tag] if self._check else None,
            "pause_test_name": self._pause_at,
            "pause_on_screen_mismatch": self._on_mismatch,
            "pause_on_next_command": self._on_next_command,
            "pause_on_failure": self._on_failure,
            "test_execution_paused": self._reason or 0,
            "devel_mode_major_version": 1,
            "devel_mode_minor_version": 1,
        }

    def _confirm(self, name: str, value: Any) -> None:
        self._tell({name: value})
        self._tell({"ret": 1})

    def _set_pause_at(self, command: Message) -> None:
        self._pause_at = command.get("name")
        self._confirm("set_pause_at_test", self._pause_at)

    def _set_on_mismatch(self, command: Message) -> None:
        value = command.get("pause_on")
        self._on_mismatch = False if value is None else value
        self._confirm("set_pause_on_screen_mismatch", self._on_mismatch)

    def _set_on_next_command(self, command: Message) -> None:
        self._on_next_command = int(is_true(command.get("flag")))
        self._confirm("set_pause_on_next_command", self._on_next_command)

    def _set_on_failure(self, command: Message) -> None:
        self._on_failure = int(is_true(command.get("flag")))
        self._confirm("set_pause_on_failure", self._on_failure)

    def _set_timeout(self, command: Message) -> None:
        timeout = command.get("timeout")
        with contextlib.suppress(TypeError, ValueError):
            self._deadline = time.monotonic() + float(timeout or 0)
        self._confirm("set_assert_screen_timeout", timeout)

    def _resume(self, command: Message) -> None:
        held = self._held
        if self._reason is not None:
            self._options = command.get("options")
        self._reason = self._held = None
        self._confirm("resume_test_execution", held)
        self._resumed.set()

    def _pause_now(self, command: Message) -> None:
        if self._reason is not None:
            self._tell({"ret": 1})
            return
        self._reason = str(command.get("reason") or "manually paused")
        self._tell({"paused": 1, "reason": self._reason})


def _ignores_failure(options: Any) -> bool:
    return isinstance(options, dict) and is_true(options.get("ignore_failure"))
