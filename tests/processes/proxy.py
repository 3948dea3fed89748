"""nginx with the configuration of deploy/, before the gunicorns of a world."""

import http.client
import os
import socket
import ssl
import subprocess
from pathlib import Path

from tests.processes.world import LIMIT_S, ROOT, World, until

MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 2000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/devmode.conf;
}}
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Proxy:
    """Serves by TLS and HTTP/2 what `deploy/nginx.conf` says, but for ports and certificate."""

    def __init__(self, world: World) -> None:
        self.port = free_port()
        self._folder = world.folder / "nginx"
        self._folder.mkdir()
        certificate, key = self._make_certificate()
        text = (ROOT / "deploy" / "nginx.conf").read_text()
        for theirs, ours in {
            "listen 80;": f"listen 127.0.0.1:{free_port()};",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{self.port} ssl http2;",
            "/etc/ssl/certs/devmode.pem": str(certificate),
            "/etc/ssl/private/devmode.key": str(key),
            "127.0.0.1:8000 ": f"127.0.0.1:{world.gunicorns[0].port} ",
            "127.0.0.1:8001 ": f"127.0.0.1:{world.gunicorns[1].port} ",
        }.items():
            assert theirs in text, f"deploy/nginx.conf lacks {theirs}"
            text = text.replace(theirs, ours)
        (self._folder / "devmode.conf").write_text(text)
        user = "user root;\n" if os.geteuid() == 0 else ""
        (self._folder / "main.conf").write_text(user + MAIN.format(folder=self._folder))
        command = ["/usr/sbin/nginx", "-c", str(self._folder / "main.conf")]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until(self._answers, "nginx")

    def connect(self) -> http.client.HTTPConnection:
        context = ssl.create_default_context(cafile=self._folder / "devmode.pem")
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=context)

    def protocol(self) -> str | None:
        """What nginx and a browser agree on."""
        context = ssl.create_default_context(cafile=self._folder / "devmode.pem")
        context.set_alpn_protocols(["h2", "http/1.1"])
        with (
            socket.create_connection(("127.0.0.1", self.port)) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
        ):
            return secured.selected_alpn_protocol()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(LIMIT_S)

    def _answers(self) -> bool:
        connection = self.connect()
        try:
            connection.request("GET", "/sign-in")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def _make_certificate(self) -> tuple[Path, Path]:
        certificate, key = self._folder / "devmode.pem", self._folder / "devmode.key"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        name = ["-subj", "/CN=devmode", "-addext", "subjectAltName=IP:127.0.0.1"]
        files = ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run([*command, *name, *files], check=True, capture_output=True)
        return certificate, key
