"""Apache before a real openQA, as that sets it up, with or without deploy/openqa-apache.conf."""

import os
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from tests.openqa.instance import OpenQA
from tests.waiting import LIMIT_S, until

ROOT = Path(__file__).parents[2]
OPENQAS_OWN = Path("/etc/apache2/sites-available/openqa-common.inc")
OURS = ROOT / "deploy" / "openqa-apache.conf"
MODULES = (
    *("mpm_event", "authz_core", "mime", "dir", "env", "alias", "expires", "headers", "rewrite"),
    *("proxy", "proxy_http", "proxy_wstunnel"),
)

MAIN = """
{modules}
{user}
ServerName 127.0.0.1
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.log
DefaultRuntimeDir {folder}
TypesConfig /etc/mime.types
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
{included}
</VirtualHost>
"""


class Apache:
    """One address for openQA's pages and devmode's websockets."""

    start_code = "sesame"

    def __init__(self, folder: Path, openqa: OpenQA, *configurations: Path) -> None:
        """Serve what these files say, with the ports of this very openQA."""
        self.url = f"http://127.0.0.1:{openqa.apache_port}"
        ports = {"9526": openqa.port, "9527": openqa.port + 1, "9528": openqa.livehandler_port}
        included = []
        for number, configuration in enumerate(configurations):
            text = configuration.read_text()
            for theirs, here in ports.items():
                text = text.replace(f"127.0.0.1:{theirs}", f"127.0.0.1:{here}")
                text = text.replace(f"localhost:{theirs}", f"127.0.0.1:{here}")
            assert str(openqa.livehandler_port) in text
            (folder / f"{number}.conf").write_text(text)
            included.append(f"Include {folder}/{number}.conf")
        library = "/usr/lib/apache2/modules"
        main = MAIN.format(
            modules="\n".join(f"LoadModule {m}_module {library}/mod_{m}.so" for m in MODULES),
            user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
            folder=folder,
            port=openqa.apache_port,
            included="\n".join(included),
        )
        (folder / "main.conf").write_text(main)
        self._folder = folder
        self._process = subprocess.Popen(
            ["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", str(folder / "main.conf")],
            stderr=(folder / "start.log").open("wb"),
            start_new_session=True,
        )
        until(self._answers, "Apache to answer")

    def stop(self) -> None:
        # Told to end, it waits ten seconds for children that have passed on websockets.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(LIMIT_S)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "start.log").read_text()
        try:
            urllib.request.urlopen(self.url, timeout=LIMIT_S).close()
        except OSError:
            return False
        return True
