"""nginx and Apache with the configurations of deploy/, before the gunicorns of a world."""

import contextlib
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
from pathlib import Path

from tests.ports import free_port
from tests.processes.world import ROOT, World
from tests.waiting import LIMIT_S, until

PROXY_SECRET = "known to proxies alone"

NGINX = """
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


APACHE = """
ServerName devmode
ServerRoot /usr/lib/apache2
{user}
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.log
DefaultRuntimeDir {folder}
Mutex file:{folder}
{modules}
Include {folder}/devmode.conf
"""
APACHE_MODULES = (
    "mpm_event authz_core authz_host alias socache_shmcb slotmem_shm proxy proxy_http"
    " proxy_balancer lbmethod_byrequests headers ssl http2 reqtimeout"
)
"""Those that deploy/apache.conf names, and those that a Debian enables by itself."""


class Proxy:
    """Serves by TLS and HTTP/2 what a file of deploy/ says, but for ports and certificate."""

    def __init__(self, world: World, name: str) -> None:
        self.port = free_port()
        self._folder = world.folder / name
        self._folder.mkdir()
        self._certificate, self._key = self._make_certificate()
        text = (ROOT / "deploy" / f"{name}.conf").read_text()
        for theirs, ours in self._changes(world).items():
            assert theirs in text, f"deploy/{name}.conf lacks {theirs}"
            text = text.replace(theirs, ours)
        (self._folder / "devmode.conf").write_text(text)
        self._main = self._folder / "main.conf"
        self._main.write_text(self._around())
        self.start()

    def _changes(self, world: World) -> dict[str, str]:
        """What is different here from the file of deploy/."""
        raise NotImplementedError

    def _around(self) -> str:
        """The configuration that includes it."""
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command(), stderr=subprocess.DEVNULL, start_new_session=True
        )
        until(self._answers, "the proxy")

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


class Nginx(Proxy):
    """What most people have."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "nginx")

    def _changes(self, world: World) -> dict[str, str]:
        return {
            "listen 80;": f"listen 127.0.0.1:{free_port()};",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{self.port} ssl http2;",
            "/etc/ssl/certs/devmode.pem": str(self._certificate),
            "/etc/ssl/private/devmode.key": str(self._key),
            "127.0.0.1:8000 ": f"127.0.0.1:{world.gunicorns[0].port} ",
            "127.0.0.1:8001 ": f"127.0.0.1:{world.gunicorns[1].port} ",
        }

    def _around(self) -> str:
        user = "user root;\n" if os.geteuid() == 0 else ""
        return user + NGINX.format(folder=self._folder)

    def _command(self) -> list[str]:
        return ["/usr/sbin/nginx", "-c", str(self._main)]


class SigningNginx(Nginx):
    """One that signs people in, as docs/deployment.md has it do that."""

    def __init__(self, world: World, who_is_it: str) -> None:
        """Ask the URL `who_is_it` about everybody."""
        self._who_is_it = who_is_it
        super().__init__(world)

    def _changes(self, world: World) -> dict[str, str]:
        outside, inside = self._told()
        inside = inside.replace("http://127.0.0.1:4180", self._who_is_it)
        return super()._changes(world) | {
            "upstream devmode {": f"{outside}\nupstream devmode {{",
            "    location / {": f"{inside}\nlocation / {{",
        }

    def _told(self) -> tuple[str, str]:
        """What stands outside and inside of `server`."""
        text = (ROOT / "docs" / "deployment.md").read_text()
        (block,) = re.findall(r"\n\n(    map \$groups.*?)\n\n(?=\S)", text, re.DOTALL)
        outside, _blank, inside = block.replace("…", PROXY_SECRET).partition("\n\n")
        return outside, inside

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), contextlib.closing(self.connect()) as connection:
            connection.request("GET", "/")
            return connection.getresponse().status == http.HTTPStatus.UNAUTHORIZED
        return False


class Apache(Proxy):
    """What an openQA often has."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "apache")

    def _changes(self, world: World) -> dict[str, str]:
        plain = free_port()
        return {
            "<VirtualHost *:80>": f"Listen 127.0.0.1:{plain}\n<VirtualHost *:{plain}>",
            "<VirtualHost *:443>": f"Listen 127.0.0.1:{self.port}\n<VirtualHost *:{self.port}>",
            "/etc/ssl/certs/devmode.pem": str(self._certificate),
            "/etc/ssl/private/devmode.key": str(self._key),
            "http://127.0.0.1:8000 ": f"http://127.0.0.1:{world.gunicorns[0].port} ",
            "http://127.0.0.1:8001 ": f"http://127.0.0.1:{world.gunicorns[1].port} ",
        }

    def _around(self) -> str:
        modules = "\n".join(
            f"LoadModule {name}_module modules/mod_{name}.so" for name in APACHE_MODULES.split()
        )
        user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        return APACHE.format(folder=self._folder, modules=modules, user=user)

    def _command(self) -> list[str]:
        return ["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", str(self._main)]

    def stop(self) -> None:
        # It would wait for streams until they have something to say.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(LIMIT_S)
