"""nginx before a real openQA with a devmode beside it, as deploy/openqa-nginx.conf says."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.openqa.instance import OpenQA
from tests.waiting import LIMIT_S

ROOT = Path(__file__).parents[2]

MAIN = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 500; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        # openQA's page looks for the livehandler two ports above whatever port it came from.
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{two_above};
        include {folder}/devmode.conf;
        location / {{
            proxy_pass http://127.0.0.1:{openqa};
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""


class Site:
    """One address for openQA's pages and devmode's websockets."""

    def __init__(self, folder: Path, openqa: OpenQA) -> None:
        self.url = f"http://127.0.0.1:{openqa.proxy_port}"
        snippet = (ROOT / "deploy" / "openqa-nginx.conf").read_text()
        assert "127.0.0.1:9528;" in snippet
        devmode = snippet.replace("127.0.0.1:9528;", f"127.0.0.1:{openqa.livehandler_port};")
        (folder / "devmode.conf").write_text(devmode)
        main = MAIN.format(
            user="user root;" if os.geteuid() == 0 else "",
            folder=folder,
            port=openqa.proxy_port,
            two_above=openqa.proxy_port + 2,
            openqa=openqa.port,
        )
        (folder / "main.conf").write_text(main)
        command = ["/usr/sbin/nginx", "-c", str(folder / "main.conf")]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + LIMIT_S
        while not self._answers():
            assert time.monotonic() < deadline, (folder / "nginx.log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(LIMIT_S)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url, timeout=LIMIT_S).close()
        except OSError:
            return False
        return True
