"""An MCP server over standard input and output, of either era, that misbehaves when it is told to."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

ERA = sys.argv[1] if len(sys.argv) > 1 else "legacy"
FLAGS = set(sys.argv[2:])
VERSION = next((flag[10:] for flag in FLAGS if flag.startswith("--version=")), None)
OUT = threading.Lock()
GO = threading.Event()
SEEN = []
CALLED = []
CANCELLED = []
ANSWERS = {}
LISTENS = {}
STATE = {"level": None, "subscribed": []}
META = "io.modelcontextprotocol/"

READ = {"readOnlyHint": True}
WRITE = {"readOnlyHint": False, "destructiveHint": False}
TOOLS = {
    "echo": READ, "seen": READ, "raw": READ, "who": READ, "slow": READ, "progress": READ, "silent": READ,
    "nulls": READ, "crash": READ, "exit": READ, "noise": READ, "long_line": READ, "partial": READ, "duplicate": READ,
    "ask": READ, "stop": READ, "env": READ, "daemon": READ, "log": READ, "change": READ, "flood": READ,
    "unreading": READ, "last_words": READ, "stderr": READ, "need_input": READ, "code": READ, "close": READ,
    "note": WRITE, "wipe": None, "weather": READ,
}
SCHEMAS = {
    "weather": {"type": "object", "properties": {"city": {"type": "string", "x-mcp-header": "City"}}},
}


def write(text):
    with OUT:
        sys.stdout.write(text)
        sys.stdout.flush()


def send(message):
    write(json.dumps(message) + "\n")


def notify(method, **params):
    send({"jsonrpc": "2.0", "method": method, "params": params})


def text(value):
    return {"content": [{"type": "text", "text": value if isinstance(value, str) else json.dumps(value)}]}


def environment():
    return {
        "env": dict(os.environ),
        "argv": sys.argv,
        "fds": sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")),
        "cwd": os.getcwd(),
        "pid": os.getpid(),
    }


def changed(what, **params):
    """Tells about a change the way of the era."""
    if ERA == "legacy":
        notify(what, **params)
    for id, wanted in list(LISTENS.items()):
        names = {
            "notifications/tools/list_changed": "toolsListChanged",
            "notifications/prompts/list_changed": "promptsListChanged",
            "notifications/resources/list_changed": "resourcesListChanged",
        }
        if wanted.get(names.get(what)) or params.get("uri") in wanted.get("resourceSubscriptions", []):
            notify(what, **params, _meta={META + "subscriptionId": id})


def call(id, params, line):
    name, given = params["name"], params.get("arguments", {})
    meta = params.get("_meta", {})
    if name == "echo":
        time.sleep(given.get("delay", 0))
        return text(given)
    if name == "seen":
        return text({"seen": SEEN, "called": CALLED, "cancelled": CANCELLED, "level": STATE["level"], "subscribed": STATE["subscribed"]})
    if name == "raw":
        return text(line)
    if name == "who":
        return text(str(os.getpid()))
    if name == "slow":
        if "seconds" in given:
            time.sleep(given["seconds"])
        else:
            GO.wait(120)
        return text("slow")
    if name == "progress":
        for step in range(given.get("steps", 3)):
            notify("notifications/progress", progressToken=meta.get("progressToken"), progress=step, total=3)
            time.sleep(given.get("pause", 0))
        return None if given.get("never") else text("done")
    if name == "nulls":
        send({"jsonrpc": "2.0", "id": id, "result": text("nulls"), "error": None})
        return None
    if name == "silent":
        return None
    if name == "crash":
        os._exit(7)
    if name == "exit":
        os._exit(0)
    if name == "last_words":
        send({"jsonrpc": "2.0", "id": id, "result": text("last words")})
        os._exit(3)
    if name == "noise":
        for noise in ["npm warn deprecated", "\x1b[31mred\x1b[0m", "\ufeff{}", "{", "[]", "null", "{}", "\x00\x01", "\r"]:
            write(noise + "\n")
        with OUT:
            sys.stdout.flush()
            sys.stdout.buffer.write(b"\xff\xfe invalid\n" + b'{"jsonrpc":"2.0","id":%d,"id":%d,"result":{}}\r\n' % (id, id))
            sys.stdout.buffer.flush()
        return None
    if name == "long_line":
        try:
            for _ in range(100):
                write("x" * (1 << 20))
        except BrokenPipeError:
            os._exit(1)
        return text("too long")
    if name == "partial":
        write('{"jsonrpc":"2.0","id":')
        time.sleep(3600)
    if name == "duplicate":
        for copy in range(3):
            send({"jsonrpc": "2.0", "id": id, "result": text(f"answer {copy}")})
        send({"jsonrpc": "2.0", "id": 999999999, "result": text("nobody asked")})
        send({"jsonrpc": "2.0", "id": str(id + 1), "result": text("not a number")})
        return None
    if name == "ask":
        send({"jsonrpc": "2.0", "id": "a", "method": "ping"})
        send({"jsonrpc": "2.0", "id": id, "method": "sampling/createMessage", "params": {}})
        end = time.time() + 60
        while len(ANSWERS) < 2 and time.time() < end:
            time.sleep(0.01)
        return text(ANSWERS)
    if name == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(3600)
        return text("continued")
    if name == "env":
        return text(environment())
    if name == "daemon":
        # Keeps our pipes open after we have gone.
        sleeper = subprocess.Popen(["sleep", "3600"], start_new_session=bool(given.get("session")))
        send({"jsonrpc": "2.0", "id": id, "result": text(str(sleeper.pid))})
        if given.get("leave"):
            time.sleep(0.2)
            os._exit(0)
        return None
    if name == "log":
        for level in given["levels"]:
            notify("notifications/message", level=level, data=given.get("data", "x"))
        time.sleep(given.get("pause", 0))
        return text("logged")
    if name == "change":
        for _ in range(given.get("times", 1)):
            changed(given["what"], **given.get("params", {}))
        return text("changed")
    if name == "flood":
        for _ in range(given["lines"]):
            write("noise\n")
        return text("flooded")
    if name == "stderr":
        for _ in range(given["lines"]):
            sys.stderr.write("x" * 1000 + "\n")
        return text("written")
    if name == "unreading":
        send({"jsonrpc": "2.0", "id": id, "result": text("I read no more")})
        raise SystemExit
    if name == "need_input":
        return {"resultType": "input_required", "requestState": "s", "inputRequests": {}}
    if name == "close":
        with OUT:
            os.close(1)
        time.sleep(3600)
    return text(name)


def answer(message, line):
    id, method, params = message.get("id"), message["method"], message.get("params", {})
    if method == "initialize" and ERA == "legacy":
        capabilities = {
            "tools": {"listChanged": True}, "resources": {"subscribe": True, "listChanged": True}, "logging": {},
            "tasks": {"list": {}},
        }
        if "--no-changes" in FLAGS:
            capabilities = {"tools": {}, "resources": {"subscribe": False}}
        return {
            "protocolVersion": VERSION or params["protocolVersion"], "capabilities": capabilities,
            "serverInfo": {"name": "test child", "version": "1", "extra": 12345678901234567890123},
            "instructions": "Be kind.",
        }
    if method == "server/discover" and ERA == "modern":
        capabilities = {"tools": {"listChanged": True}, "resources": {"subscribe": True}, "logging": {}}
        if "--no-changes" in FLAGS:
            capabilities = {"tools": {}}
        return {
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "ttlMs": 0, "cacheScope": "private",
            "capabilities": capabilities,
            "instructions": "Be modern.", "_meta": {META + "serverInfo": {"name": "test child", "version": "1"}},
        }
    if method == "tools/list":
        if "--list-waits" in FLAGS:
            GO.wait(120)
        page = int(params.get("cursor", "0"))
        names = sorted(TOOLS)
        result = {"tools": [
            {"name": name, "description": f"The tool {name}", "inputSchema": SCHEMAS.get(name, {"type": "object"}), "xVendor": 1.10}
            | ({"annotations": TOOLS[name]} if TOOLS[name] else {}) for name in names[page:page + 10]
        ]}
        if ERA == "modern":
            result |= {"ttlMs": 1000, "cacheScope": "public"}
        if page + 10 < len(names):
            result["nextCursor"] = str(page + 10)
        return result
    if method == "tools/call":
        return call(id, params, line)
    if method == "resources/read":
        if params["uri"] == "missing:":
            raise LookupError(-32002)
        if params["uri"] == "go:":
            GO.set()
        return {"contents": [{"uri": params["uri"], "text": " ".join(map(str, SEEN))}]}
    if method == "resources/subscribe" and ERA == "legacy":
        STATE["subscribed"].append("+" + params["uri"])
        return {}
    if method == "resources/unsubscribe" and ERA == "legacy":
        STATE["subscribed"].append("-" + params["uri"])
        return {}
    if method == "logging/setLevel" and ERA == "legacy":
        STATE["level"] = params["level"]
        return {}
    if method == "subscriptions/listen" and ERA == "modern" and "--no-listen" not in FLAGS:
        LISTENS[id] = params["notifications"]
        meta = {META + "subscriptionId": id}
        notify("notifications/subscriptions/acknowledged", notifications=params["notifications"], _meta=meta)
        return None
    if method == "prompts/get":
        raise LookupError(-32042)
    raise LookupError(-32601)


def handle(message, line):
    try:
        result = answer(message, line)
    except LookupError as error:
        send({"jsonrpc": "2.0", "id": message["id"], "error": {"code": error.args[0], "message": "no such thing"}})
        return
    if result is not None:
        if ERA == "modern":
            result.setdefault("resultType", "complete")
        send({"jsonrpc": "2.0", "id": message["id"], "result": result})


def main():
    if "--noise-first" in FLAGS:
        write("Starting the server...\n\n{}\n")
    if "--crash-first" in FLAGS:
        sys.exit(9)
    if "--ignore-sigterm" in FLAGS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in sys.stdin:
        message = json.loads(line)
        SEEN.append(message.get("method"))
        if message.get("method") == "tools/call":
            CALLED.append(message["params"]["name"])
        if "method" not in message:
            ANSWERS[str(message["id"])] = message.get("result", message.get("error", {}).get("code"))
        elif message["method"] == "server/discover" and "--silent-probe" in FLAGS:
            pass
        elif message["method"] == "server/discover" and "--crash-on-probe" in FLAGS:
            sys.exit(1)
        elif "id" not in message:
            if message["method"] == "notifications/cancelled":
                CANCELLED.append(message["params"]["requestId"])
                LISTENS.pop(message["params"]["requestId"], None)
        elif message["method"] == "tools/call" and message["params"]["name"] == "unreading":
            send({"jsonrpc": "2.0", "id": message["id"], "result": text("I read no more")})
            time.sleep(3600)
        else:
            threading.Thread(target=handle, args=(message, line), daemon=True).start()
    if "--ignore-eof" in FLAGS:
        time.sleep(3600)


main()
