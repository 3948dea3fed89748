"""One signed-in developer who clicks over one connection that stays open."""

import http.client
import re
import time
import urllib.parse

from bench.processes import START_CODE

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Developer:
    """Knows cookie and CSRF token."""

    def __init__(self, address: str, name: str) -> None:
        """Sign in as an operator."""
        self._connection = http.client.HTTPConnection(address, timeout=30)
        self.cookie = ""
        token = self._token("/sign-in")
        form = {"name": name, "role": "operator", "code": START_CODE, "csrf_token": token}
        status, _ = self.post("/sign-in", **form)
        if status != 303:
            raise PermissionError(f"sign-in answered {status}")
        self._csrf_token = self._token("/")

    def get(self, path: str) -> str:
        """Get a page."""
        self._connection.request("GET", path, headers={"Cookie": self.cookie})
        return self._read()[1]

    def post(self, path: str, **form: str) -> tuple[int, str]:
        """Send a form as HTMX does, on a page whose stream is open (static/live.js)."""
        headers = {"Cookie": self.cookie, "Content-Type": "application/x-www-form-urlencoded"}
        if hasattr(self, "_csrf_token"):
            form["csrf_token"] = self._csrf_token
            headers |= {"HX-Request": "true", "Devmode-Stream": "open"}
        self._connection.request("POST", path, urllib.parse.urlencode(form), headers)
        return self._read()

    def hang_up(self) -> None:
        """Click over a new connection next time: gunicorn ends one that rests for two seconds."""
        self._connection.close()

    def timed_post(self, path: str, **form: str) -> float:
        """Send a form that works, return how long the answer took, in milliseconds."""
        began = time.monotonic()
        status, text = self.post(path, **form)
        taken = (time.monotonic() - began) * 1e3
        if status != 200:
            raise ValueError(f"{path} answered {status}: {text[:500]}")
        return taken

    def job_ids(self, count: int) -> list[int]:
        """Wait until so many jobs run, return their numbers in the order of their names."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = re.findall(r'href="/jobs/(\d+)"[^>]*>\s*bench-(\d+)', self.get("/"))
            if len(found) >= count:
                return [int(job) for job, _name in sorted(found, key=lambda pair: int(pair[1]))]
            time.sleep(0.2)
        raise TimeoutError(f"{count} jobs did not appear")

    def _token(self, path: str) -> str:
        found = TOKEN.search(self.get(path))
        if not found:
            raise LookupError(f"no form on {path}")
        return found[1]

    def _read(self) -> tuple[int, str]:
        answer = self._connection.getresponse()
        text = answer.read().decode()
        cookie = answer.headers["Set-Cookie"]
        if cookie:
            self.cookie = cookie.partition(";")[0]
        return answer.status, text
