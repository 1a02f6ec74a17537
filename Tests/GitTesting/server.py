"""A host of git repositories over HTTP, as `git http-backend` serves them: server.py FOLDER [USER:PASSWORD].

Prints its port. With FOLDER/certificate.pem and FOLDER/key.pem it speaks HTTPS. Repositories below FOLDER/closed need the
login; what is below /hang is never answered; what follows /moved is redirected to the address in FOLDER/moved. What is
asked of it is written to FOLDER/requests.
"""
import base64
import http.server
import os
import ssl
import subprocess
import sys
import threading

root = sys.argv[1]
login = base64.b64encode(sys.argv[2].encode()).decode() if len(sys.argv) > 2 else None


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def serve(self):
        path, _, query = self.path.partition("?")
        sent = self.headers.get("Authorization")
        with open(os.path.join(root, "requests"), "a") as log:
            log.write(f"{self.command} {path} {sent or '-'}\n")
        if path.startswith("/hang/"):
            threading.Event().wait()
        if path.startswith("/closed/") and sent != f"Basic {login}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        _, moved, rest = self.path.partition("/moved/")
        if moved:
            with open(os.path.join(root, "moved")) as address:
                self.send_response(302)
                self.send_header("Location", f"{address.read()}/{rest}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_LENGTH": str(size),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        answer = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line]
        status = next((value for name, value in fields if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, value in fields:
            if name not in ("Status", "Content-Length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = serve


class Server(http.server.ThreadingHTTPServer):
    # Who does not trust the certificate breaks the connection off, which is what tests look for.
    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler)
if os.path.exists(os.path.join(root, "key.pem")):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(os.path.join(root, "certificate.pem"), os.path.join(root, "key.pem"))
    # The handshake is left to the connection's own thread: here it would hold up all others.
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_address[1], flush=True)
server.serve_forever()
