"""Runs `trytond` as its own command does, on a port that is free: `serve.py DIRECTORY` with `erp.sqlite` in it.

Prints the port once the database is loaded and requests are answered, and ends when its standard input does, so that
it does not outlive who started it.
"""

import os
import sys
import threading

from seed import configured


def main(folder):
    configured(folder)
    from trytond.pool import Pool
    from trytond.wsgi import app
    from werkzeug.serving import make_server

    # ORDER: before the first request, or the first login is answered with an error.
    Pool.start()
    Pool("erp").init()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
