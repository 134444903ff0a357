"""What code tries that wants out of its cell. Each is a body of `attempt(room)`, after which `run`
gives `escaped`: behind no walls it does, which shows that the walls are what stops it."""

REACH = """
import enum
sys = enum.sys
modules = sys.modules
os = modules["os"]

def libc():
    return modules["ctypes"].CDLL(None, use_errno=True)

def done(outcome):
    if outcome < 0:
        raise OSError(modules["ctypes"].get_errno(), "refused")

def sockets():
    found = [one for one in modules["gc"].get_objects() if type(one).__name__ == "socket"]
    return [one for one in found if one.fileno() > 0]

def link():
    found = [one for one in modules["gc"].get_objects() if type(one).__name__ == "Frames"]
    return next(one._socket for one in found if one._socket.fileno() > 0)

def memory(protection):
    mmap = libc().mmap
    mmap.restype = modules["ctypes"].c_void_p
    return mmap(None, 4096, protection, 0x22, -1, 0)

def attempt(room):
    try:
        BODY
    except BlockingIOError:
        pass

def run(room):
    attempt(room)
    room.give_bytes("out", b"escaped")
"""
"""From what may be imported to what may not: no list of names is a wall."""

KILLED = {
    # files
    "open a file": "os.open('/etc/passwd', os.O_RDONLY)",
    "open a file by io": "modules['io'].open('/etc/passwd').read()",
    "open a file by a class that is found": (
        "[one for one in modules['_io']._RawIOBase.__subclasses__() if one.__name__ == 'FileIO']"
        "[0]('/etc/passwd').read()"
    ),
    "open a file by libc": "done(libc().open(b'/etc/passwd', 0))",
    "write a file": "os.open('/tmp', os.O_WRONLY | os.O_TMPFILE)",
    "list a folder": "os.listdir('/')",
    "look at a file": "os.stat('/')",
    "look whether a file is there": "os.access('/etc', os.R_OK)",
    "change the folder": "os.chdir('/')",
    "a file in memory": "os.memfd_create('x')",
    "write its own memory by /proc": "os.open('/proc/self/mem', os.O_RDWR)",
    "its environment by /proc": "os.open('/proc/self/environ', os.O_RDONLY)",
    "its parent's memory by /proc": "os.open(f'/proc/{room.parameters[\"parent\"]}/mem', 0)",
    # chance, which executors would not share
    "chance of a device": "os.open('/dev/urandom', os.O_RDONLY)",
    "chance of the system": "os.urandom(16)",
    "chance of a generator without a seed": "modules['random'].SystemRandom().random()",
    "chance of another generator": "modules['random'].Random()",
    "chance of numpy without a seed": "modules['numpy'].random.default_rng()",
    # others
    "a socket to the net": "modules['_socket'].socket(2, 1)",
    "a socket to this machine": "modules['_socket'].socket(1, 1)",
    "a socket to the kernel": "modules['_socket'].socket(16, 3, 0)",
    "a pair of sockets": "modules['_socket'].socketpair()",
    "a name on the net": "libc().gethostbyname(b'somewhere.invalid')",
    "a message with descriptors": "link().sendmsg([b''], [])",
    "a descriptor of somebody": "link().recvmsg(0, 64, 64)",
    "a pipe": "os.pipe()",
    "a copy of a descriptor": "os.dup(link().fileno())",
    "fork": "os.fork() or os._exit(0)",
    "another program": "os.posix_spawn('/bin/true', ['true'], {})",
    "another program in its place": "done(libc().execve(b'/bin/none', None, None) + 1)",
    "a thread": "modules['_thread'].start_new_thread(len, ((),))",
    "a signal to its parent": "os.kill(room.parameters['parent'], 0)",
    "a signal to its group": "os.killpg(0, 0)",
    "a signal to itself": "modules['signal'].raise_signal(28)",
    "a handler of a signal": "modules['signal'].signal(10, lambda *_: None)",
    "a timer": "modules['signal'].setitimer(0, 1000)",
    "to be traced": "libc().ptrace(0, 0, 0, 0)",
    "its parent's memory": (
        "libc().process_vm_readv(room.parameters['parent'], None, 0, None, 0, 0)"
    ),
    "to write into its parent's memory": (
        "libc().process_vm_writev(room.parameters['parent'], None, 0, None, 0, 0)"
    ),
    # its own walls
    "memory that is code": "memory(5)",
    "memory that becomes code": (
        "done(libc().mprotect(modules['ctypes'].c_void_p(memory(3)), 4096, 7))"
    ),
    "its limits": "modules['resource'].setrlimit(4, (0, 0))",
    "its dumps": "done(libc().prctl(4, 1, 0, 0, 0))",
    "its filter": "done(libc().prctl(21, 0, 0, 0, 0))",
    "its user": "os.setuid(os.getuid())",
    "its priority": "os.nice(0)",
    "its processors": "os.sched_getaffinity(0)",
    "its name space": "libc().unshare(0)",
    "the signal that kills it": "modules['fcntl'].fcntl(sockets()[0].fileno(), 8, 0)",
    "the descriptor that it dies with": (
        "[os.close(one.fileno()) for one in sockets() if one is not link()]"
    ),
    "not to end": "modules['signal'].pthread_sigmask(0, {10})",
    # what executors would not share
    "its pid": "os.getpid()",
    "whose child it is": "os.getppid()",
    "whose machine it is": "os.uname()",
    "its use of the machine": "modules['resource'].getrusage(0)",
    "sleep": "modules['time'].sleep(0.001)",
}
"""The kernel ends who asks for it."""

UNNAMED = {
    "import what is not offered": "import os as other",
    "import it by its function": "__import__('os')",
    "import a part of it": "import os.path as other",
    "import the clock": "import time as other",
    "import what numpy keeps to itself": "import numpy._core as other",
    "import from it": "from numpy._core import numeric as other",
    "import from a package without a name": "__import__('json', globals(), None, (), 1)",
    "import what is not loaded": "sys.modules['importlib'].import_module('sqlite3')",
    "load it from a file": "sys.modules['importlib']._bootstrap._find_spec('sqlite3', None).loader",
    "a name that looks like another": "rоom = 1",
    "a name that is read as another": "ｒoom = 1",
    "a name of a text's": "f'{(rоom := 1)}'",
    "open by name": "open('/etc/passwd')",
    "eval by name": "eval('1')",
    "exec by name": "exec('1')",
    "compile by name": "compile('1', 'x', 'eval')",
    "input by name": "input()",
    "the debugger by name": "breakpoint()",
}
"""A reviewer finds none of it by name; it fails like any other error."""
