"""What reportctl does within a machine. It is read from standard input, with the request in its last line, and so leaves
nothing behind. It answers in one line of JSON: {"done": …} or {"failed": words, "kind": kind}.

Each deed is safe twice. Python is there wherever cloud-init is, which is written in it.
"""

import glob
import hashlib
import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import time

# Before all others, so that nothing is ever readable for others, not even for a moment.
os.umask(0o077)

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BASE = {"PATH": PATH, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
OURS = ("/etc/reportctl/", "/var/lib/reportctl/")
# What is longer is no file of ours.
LONGEST = 4 << 20
PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,Result,MainPID,NRestarts,NeedDaemonReload,UnitFileState,"
    "ExecMainCode,ExecMainStatus,ConditionResult,InvocationID"
)


class Failed(Exception):
    """What a person is told. The kind is one of reportctl's: failed, precondition, timeout."""

    def __init__(self, words, kind="failed"):
        super().__init__(words)
        self.kind = kind


def say(argv, patience=60, **more):
    """Runs a program to its end."""
    try:
        return subprocess.run(
            argv, env=BASE, stdin=subprocess.DEVNULL, capture_output=True, timeout=patience, check=False, **more
        )
    except FileNotFoundError as error:
        raise Failed(f"{argv[0]} is not there") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"`{' '.join(argv)}` did not end within {patience} s", "timeout") from error


def text(raw):
    return raw.decode("utf-8", "replace")


def must(argv, patience=60):
    done = say(argv, patience)
    if done.returncode:
        words = text(done.stderr or done.stdout).strip()[-2000:]
        raise Failed(f"`{' '.join(argv)}` ended with {done.returncode}: {words}")
    return text(done.stdout)


def replace(path, content, mode=0o600):
    """The file is there as a whole, with this content, or as it was."""
    draft = f"{path}.new-{os.getpid()}"
    with open(draft, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def attempt(action):
    """What an action comes to; what goes wrong is an answer, so that the other answers come all the same."""
    try:
        return {"there": action()}
    except FileNotFoundError:
        return {"absent": True}
    except (OSError, Failed, subprocess.SubprocessError) as error:
        return {"unknown": str(error)}


# ---- looking


def find(name):
    if name == "postgres":
        number = lambda path: [int(part) for part in path.split("/")[4].split(".") if part.isdigit()]
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=number)
        if found:
            return found[-1]
    return shutil.which(name, path=PATH)


def program(name, known):
    """Where a program is, and what it says of itself unless that is known already."""
    path = find(name)
    if path is None:
        raise FileNotFoundError(name)
    meta = os.stat(path)
    stamp = f"{meta.st_ino}:{meta.st_size}:{meta.st_mtime_ns}"
    said = None
    if known.get(path) != stamp:
        done = say([path, "--version"], 10)
        said = text(done.stdout if done.stdout.strip() else done.stderr)[:4000]
    record = f"/usr/local/lib/reportctl/{name}.build"
    build = open(record, encoding="utf-8").read().strip() if path.startswith("/usr/local/") and os.path.exists(record) else None
    return {"path": path, "stamp": stamp, "said": said, "build": build}


def numbers(version):
    """The upstream part of a version, as far as it is numbers."""
    digits = ""
    for char in version.split(":", 1)[-1]:
        if not (char.isdigit() or char == "."):
            break
        digits += char
    return [int(part) for part in digits.split(".") if part]


def packages(minimums):
    """What dpkg says of these packages, and what apt says of those that are not there or too old."""
    format = "--showformat=${Package}\\t${db:Status-Status}\\t${Version}\\n"
    done = say(["dpkg-query", "--show", format, *minimums])
    if done.returncode not in (0, 1):
        raise Failed(text(done.stderr).strip())
    installed = text(done.stdout)
    lines = [line.split("\t") for line in installed.splitlines()]
    good = {name for name, state, version in lines if state == "installed" and numbers(version) >= numbers(minimums[name])}
    asked = sorted(set(minimums) - good)
    candidates = None
    if asked and glob.glob("/var/lib/apt/lists/*_Packages*"):
        candidates = must(["apt-cache", "policy", *asked])
    return {"installed": installed, "asked": asked, "candidates": candidates}


def owner(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def one_file(path):
    meta = os.lstat(path)
    content = None
    if stat.S_ISREG(meta.st_mode) and meta.st_size <= LONGEST:
        with open(path, "rb") as file:
            content = file.read()
    try:
        shown = None if content is None else content.decode("utf-8")
    except UnicodeDecodeError:
        shown = None
    return {"mode": stat.S_IMODE(meta.st_mode), "owner": owner(meta.st_uid), "text": shown}


def files():
    """Every file of ours: below /etc/reportctl, and our units."""
    found = glob.glob("/etc/systemd/system/report-*.service")

    def stop(error):
        if not isinstance(error, FileNotFoundError):
            raise error

    for folder, _, names in os.walk("/etc/reportctl", onerror=stop):
        found += [os.path.join(folder, name) for name in names]
    return {path: attempt(lambda: one_file(path)) for path in sorted(found)}


def environ(pid):
    """What a process was started with, of ours. Between fork and exec it is still another program's: it is waited for."""
    for _ in range(20):
        with open(f"/proc/{pid}/environ", "rb") as file:
            pairs = [pair.partition(b"=") for pair in file.read().split(b"\0")]
        ours = {text(name): text(value) for name, _, value in pairs if name.startswith(b"REPORTCTL_")}
        if "REPORTCTL_ID" in ours:
            return ours
        time.sleep(0.05)
    return ours


def variables(path):
    """What a unit's file of variables says."""
    ours = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, equals, value = line.strip().partition("=")
            if equals and name.startswith("REPORTCTL_"):
                ours[name] = value.strip('"')
    return ours


def one_unit(unit, path):
    """How a unit does, and with what its process runs."""
    shown = must(["systemctl", "show", f"--property={PROPERTIES}", unit])
    state = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    state["variables"] = variables(path) if os.path.exists(path) else None
    pid = int(state.get("MainPID", "0"))
    state["process"] = None
    if pid:
        try:
            state["process"] = environ(pid)
        except (FileNotFoundError, ProcessLookupError):
            # It ended meanwhile: systemd says so at the next look.
            state["MainPID"] = "0"
    return state


def units(wanted):
    return {name: attempt(lambda: one_unit(unit["unit"], unit["variables"])) for name, unit in wanted.items()}


def host_keys():
    keys = []
    for name in sorted(glob.glob("/etc/ssh/ssh_host_*_key.pub")):
        with open(name, encoding="utf-8") as file:
            keys.append(" ".join(file.read().split()[:2]))
    return keys


def admitted(name):
    """Who is let in as that user."""
    with open(os.path.join(pwd.getpwnam(name).pw_dir, ".ssh/authorized_keys"), encoding="utf-8") as file:
        return file.read()


def way(name):
    try:
        return {"admitted": admitted(name), "keys": host_keys()}
    except KeyError:
        return {"admitted": "", "keys": []}


def look(request):
    return {
        "programs": {name: attempt(lambda: program(name, request["known"])) for name in request["programs"]},
        "packages": attempt(lambda: packages(request["packages"])),
        "files": attempt(files),
        "units": units(request["units"]),
        "way": attempt(lambda: way(request["tunnel"])),
        "prepared": attempt(lambda: sorted(os.listdir("/var/lib/reportctl/prepared"))),
    }


# ---- doing


def within(path):
    """A path that lies below our folders, also by its links."""
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    if os.path.normpath(path) != path or real != path or not path.startswith(OURS) or path in OURS:
        raise Failed(f"{path} does not lie within reportctl's own folders", "precondition")
    return path


def user(name):
    try:
        return pwd.getpwnam(name)
    except KeyError as error:
        raise Failed(f"there is no user {name} in the machine: its user-data makes them", "precondition") from error


def folders(request):
    for folder in request["folders"]:
        path = folder["path"]
        if path.rstrip("/") + "/" not in OURS:
            within(path)
        # What lies above belongs to all components.
        for parent in ("/etc/reportctl", "/var/lib/reportctl"):
            if path.startswith(parent) and not os.path.isdir(parent):
                os.mkdir(parent)
                os.chmod(parent, 0o755)
        above = os.path.dirname(path)
        if not os.path.isdir(above):
            os.makedirs(above)
        try:
            os.mkdir(path, folder["mode"])
        except FileExistsError as error:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                raise Failed(f"{path} is no folder", "precondition") from error
        owned = user(folder["owner"] or "root")
        os.chown(path, owned.pw_uid, owned.pw_gid)
        os.chmod(path, folder["mode"])


def remove(request):
    for path in request["paths"]:
        if not os.path.lexists(path):
            continue
        within(path)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)


def foreign(state, identity):
    """Fails where the unit's process is not this environment's."""
    process = state["process"]
    if process is None:
        return
    found = process.get("REPORTCTL_ID")
    if found != identity:
        whose = f"carries {found}" if found else "carries no identity"
        raise Failed(f"{state['Id']} runs and is not this environment's: it {whose}, and not {identity}", "precondition")


def start(request):
    unit, path = request["unit"], request["variables"]
    state = one_unit(unit, path)
    foreign(state, request["id"])
    replace(within(path), request["text"].encode())
    if state["NeedDaemonReload"] == "yes" or state["LoadState"] != "loaded":
        must(["systemctl", "daemon-reload"])
        loaded = one_unit(unit, path)
        if loaded["LoadState"] != "loaded":
            raise Failed(f"systemd does not load {unit}: {loaded['LoadState']}", "precondition")
    if state["UnitFileState"] != "enabled":
        must(["systemctl", "enable", "--quiet", unit])
    runs = state["process"] is not None and state["ActiveState"] == "active"
    if runs and state["process"].get("REPORTCTL_DIGEST") == request["digest"] and state["NeedDaemonReload"] == "no":
        return
    say(["systemctl", "reset-failed", unit])
    must(["systemctl", "restart", unit], request["patience"])
    after = one_unit(unit, path)
    if after["ConditionResult"] == "no":
        raise Failed(f"{unit} did not start: a condition of it does not hold", "precondition")


def stop(request):
    unit, path = request["unit"], request["variables"]
    state = one_unit(unit, path)
    foreign(state, request["id"])
    if state["LoadState"] == "loaded":
        must(["systemctl", "stop", unit], request["patience"])
        if state["UnitFileState"] == "enabled":
            must(["systemctl", "disable", "--quiet", unit])
        say(["systemctl", "reset-failed", unit])
    if os.path.lexists(path):
        os.unlink(within(path))


def prepare(request):
    """Runs programs as a user, one after the other, and leaves the proof last."""
    proof = within(request["proof"])
    if os.path.exists(proof):
        return
    as_user = user(request["user"])
    until = time.monotonic() + request["patience"]
    place = request["cwd"] if os.path.isdir(request["cwd"]) else "/"
    own = {"HOME": place, "USER": as_user.pw_name, "LOGNAME": as_user.pw_name}
    for argv in request["commands"]:
        rest = max(until - time.monotonic(), 1)
        try:
            done = subprocess.run(
                argv,
                env={**BASE, **own, **request["env"]},
                cwd=place,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=rest,
                check=False,
                user=as_user.pw_uid,
                group=as_user.pw_gid,
                extra_groups=[],
                umask=0o077,
            )
        except FileNotFoundError as error:
            raise Failed(f"{argv[0]} is not there", "precondition") from error
        except subprocess.TimeoutExpired as error:
            raise Failed(f"`{' '.join(argv)}` did not end within {request['patience']:.0f} s", "timeout") from error
        if done.returncode:
            words = text(done.stderr if done.stderr.strip() else done.stdout).strip()[-4000:]
            raise Failed(f"`{' '.join(argv)}`, as {as_user.pw_name}, ended with {done.returncode}: {words}")
    folders({"folders": [{"path": os.path.dirname(proof), "mode": 0o700, "owner": "root"}]})
    replace(proof, request["at"].encode() + b"\n")


def enabled_units():
    shown = must(["systemctl", "list-unit-files", "--state=enabled", "--no-legend", "--no-pager", "--plain"])
    return {line.split()[0] for line in shown.splitlines() if line.split()}


def lacks_candidate(names):
    said = must(["apt-cache", "policy", *names])
    known = [line for line in said.splitlines() if line.startswith("  Candidate: ") and not line.endswith("(none)")]
    return len(known) < len(names)


def install(request):
    """Installs packages without their services being started: a policy forbids it meanwhile, and what they enabled is
    disabled again. One that stood there before is left as it is."""
    path, ours = request["policy_path"], request["policy_text"].encode()
    placed = not os.path.lexists(path)
    if placed:
        replace(path, ours, 0o755)
    else:
        with open(path, "rb") as file:
            placed = file.read() == ours
    before = enabled_units()
    try:
        # What an install left that was cut off.
        must(["dpkg", "--configure", "-a"], request["patience"])
        if not glob.glob("/var/lib/apt/lists/*_Packages*") or lacks_candidate(request["packages"]):
            must(request["refresh"], request["patience"])
        must(request["install"], request["patience"])
    finally:
        fresh = sorted(unit for unit in enabled_units() - before if not unit.startswith("report-"))
        if fresh:
            say(["systemctl", "disable", "--now", "--quiet", *fresh])
        if placed:
            os.unlink(path)
    shown = must(["dpkg-query", "--show", "--showformat=${Package}\\t${db:Status-Status}\\n", *request["packages"]])
    there = {line.split("\t")[0] for line in shown.splitlines() if line.endswith("\tinstalled")}
    lacking = sorted(set(request["packages"]) - there)
    if lacking:
        raise Failed(f"apt-get ended well, but {', '.join(lacking)} is not installed")


def forget_program(request):
    """A program that is put in place anew is of no known build until it is there as a whole."""
    if os.path.lexists(request["record"]):
        os.unlink(request["record"])


def note_program(request):
    """Makes sure that a program came as it was sent, that it can be run here, and then writes down what it is."""
    path, record = request["path"], request["record"]
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    if digest.hexdigest() != request["sha256"]:
        raise Failed(f"{path} did not come as it was sent")
    must([path, "--version"], 20)
    folder = os.path.dirname(record)
    if not os.path.isdir(folder):
        os.mkdir(folder)
        os.chmod(folder, 0o755)
    replace(record, request["build"].encode() + b"\n", 0o644)


def admit(request):
    """Lets a key open tunnels, and nothing else, and returns the machine's own keys."""
    who = user(request["user"])
    folder = os.path.join(who.pw_dir, ".ssh")
    # It is root's, so that nobody who came in by it can let in others.
    if not os.path.isdir(folder):
        os.mkdir(folder)
        os.chown(folder, 0, who.pw_gid)
        os.chmod(folder, 0o750)
    path = os.path.join(folder, "authorized_keys")
    replace(path, request["line"].encode() + b"\n")
    os.chown(path, 0, who.pw_gid)
    os.chmod(path, 0o640)
    keys = host_keys()
    if not keys:
        raise Failed("the machine has no ssh host key: is openssh-server installed?", "precondition")
    return keys


def log(request):
    """The last lines of a unit's log, of this run of it where `invocation` says so."""
    argv = ["journalctl", "--unit", request["unit"], "--lines", str(request["lines"]), "--output=cat", "--no-pager", "--quiet"]
    return must(argv)


def address(_request):
    """The address that the machine is reached at: the one that it would speak from. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]


DEEDS = {
    deed.__name__: deed
    for deed in (
        look, folders, remove, start, stop, prepare, install, forget_program, note_program, admit, log, address,
    )
}
DEEDS["units"] = lambda request: units(request["units"])


def main(request):
    try:
        answer = {"done": DEEDS[request["deed"]](request)}
    except Failed as failed:
        answer = {"failed": str(failed), "kind": failed.kind}
    except OSError as error:
        full = error.errno in (28, 122)
        answer = {"failed": str(error), "kind": "full" if full else "failed"}
    json.dump(answer, sys.stdout)
    print()


