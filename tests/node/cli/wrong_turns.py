"""The table of wrong turns: what somebody does, and the sentence that answers. docs/wrong-turns.md
shows it; test_wrong_turns.py plays it.

In `says`, `…` stands for anything: ids, places of this machine. Words in capitals in `does` are
filled in by the test: TXID is an id that no transaction has, PIN the service's pin, OTHER another.
"""

from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """Where a command is run."""

    NOWHERE = "an empty folder"
    FOLDER = "a folder whose one node does not run"
    SERVICE = "beside a service that runs"
    CLUSTER = "a cluster of real processes"


@dataclass(frozen=True, slots=True)
class WrongTurn:
    """One row."""

    what: str
    """The situation, in a few words."""
    does: str
    """The command, without the word `strongroom`."""
    says: str
    """On standard error; on standard output where a verdict is the answer."""
    code: int
    place: Place
    prepare: str = ""
    """Name of the function of test_wrong_turns.py that brings the situation about."""


N, F, S, C = Place.NOWHERE, Place.FOLDER, Place.SERVICE, Place.CLUSTER
PAY = "call payments.transfer to=bob amount=5"

COMMAND_LINE = (
    WrongTurn(
        "a command mistyped",
        "calls",
        "no such command 'calls': did you mean call? See `strongroom --help`",
        2,
        N,
    ),
    WrongTurn(
        "… of a group",
        "cluster ups",
        "no such command 'ups': did you mean up? See `strongroom cluster --help`",
        2,
        N,
    ),
    WrongTurn(
        "… for a program that reads JSON",
        "cluster ups --json",
        '{"ok": false, "error": {"code": "usage", "message": "no such command \'ups\': did you '
        'mean up? See `strongroom cluster --help`"}}',
        2,
        N,
    ),
    WrongTurn(
        "an option mistyped",
        "cluster up --nods 4",
        "no such option --nods: did you mean --nodes? See `strongroom cluster up --help`",
        2,
        N,
    ),
    WrongTurn(
        "a word that another group has",
        "keys get",
        "no such command 'get': there are list, new, show; see `strongroom keys --help`",
        2,
        N,
    ),
    WrongTurn(
        "a height below 0",
        "explorer block -1",
        "a height is 0 or more, or latest: none is below 0; see `strongroom explorer block --help`",
        2,
        N,
    ),
    WrongTurn(
        "nobody calls",
        PAY,
        "missing --as NAME (Identity of the folder's keys/); see `strongroom call --help`",
        2,
        N,
    ),
    WrongTurn(
        "an option's value that is none of its values",
        f"{PAY} --as alice --wait never",
        "invalid value for '--wait': 'never' is not one of 'none', 'commit', 'receipt'; see "
        "`strongroom call --help`",
        2,
        N,
    ),
    WrongTurn(
        "a number out of range",
        f"{PAY} --as alice --timeout 0",
        "invalid value for '--timeout': it must be greater than or equal to 0.1; see "
        "`strongroom call --help`",
        2,
        N,
    ),
    WrongTurn(
        "a word where a number belongs",
        "explorer blocks --limit many",
        "invalid value for '--limit': expected an integer; see `strongroom explorer blocks --help`",
        2,
        N,
    ),
    WrongTurn(
        "an argument left out",
        "cluster start",
        "missing NODE (n0, n1, …); see `strongroom cluster start --help`",
        2,
        N,
    ),
    WrongTurn(
        "one too many",
        "keys new ann other",
        "got unexpected extra argument(s) (other); see `strongroom keys new --help`",
        2,
        N,
    ),
    WrongTurn(
        "a folder for a command that reads none",
        "--dir demo verify receipt r.json --service PIN",
        "--dir demo stands before a command that reads no cluster's folder: leave it out; what the "
        "command itself takes is in its --help",
        2,
        N,
    ),
)

FOLDERS = (
    WrongTurn(
        "no cluster yet",
        f"{PAY} --as alice",
        "no cluster in strongroom-data: start one with `strongroom cluster up`, or name its folder "
        "with --dir or STRONGROOM_DIR",
        2,
        N,
    ),
    WrongTurn(
        "the wrong folder, and a cluster beside it",
        "cluster status",
        "no cluster in strongroom-data; there is one in ../demo/strongroom-data: use --dir "
        "../demo/strongroom-data, or start one here with `strongroom cluster up`",
        2,
        N,
        "a_cluster_beside",
    ),
    WrongTurn(
        "inside the cluster's folder",
        "explorer status",
        "no cluster in strongroom-data; there is one in .: use --dir ., or start one here with "
        "`strongroom cluster up`",
        2,
        N,
        "inside_a_cluster",
    ),
    WrongTurn(
        "two clusters, the other one's folder mistyped",
        "cluster status --dir dmo",
        "no cluster in dmo; there is one in demo: use --dir demo, or start one here with "
        "`strongroom cluster up --dir dmo`",
        2,
        N,
        "a_cluster_below",
    ),
    WrongTurn(
        "a client's folder, which has no node",
        "cluster up",
        "strongroom-data holds no node: it is a client's folder, of a service that runs elsewhere. "
        "Its commands are call, query, explorer and others; those of `cluster` belong where the "
        "nodes' folders are",
        2,
        F,
        "no_node",
    ),
    WrongTurn(
        "a service.json that is damaged",
        f"{PAY} --as alice",
        "strongroom-data/service.json is damaged (…): copy it again from the operator",
        2,
        F,
        "damaged_service",
    ),
    WrongTurn(
        "a pin that was cut",
        "query payments.balance --as alice",
        "strongroom-data/service.json is damaged (a pin is 'sr1-' and 52 characters of a-z and "
        "2-7: this one was cut or mistyped): copy it again from the operator",
        2,
        F,
        "cut_pin",
    ),
    WrongTurn(
        "a folder with other things in it",
        "cluster up",
        "…strongroom-data exists and is no cluster's folder: name another with --dir, or remove it",
        2,
        N,
        "other_things",
    ),
    WrongTurn(
        "a place where nothing can be made",
        "cluster up --base-port 0 --dir /proc/strongroom",
        "cannot make a folder in /proc (…): go where you may write, or name another place with "
        "--dir",
        2,
        N,
    ),
    WrongTurn(
        "no nodes",
        "cluster up --nodes 0",
        "--nodes is from 1 to 128, got 0: 4 survive the loss of one",
        2,
        N,
    ),
    WrongTurn(
        "an archive without a folder",
        "cluster up --archive-after 2GiB",
        "--archive-after: name the folder to which segments go: --archive",
        2,
        N,
    ),
    WrongTurn(
        "a size that is none",
        "cluster up --archive archives --archive-after lots",
        "--archive-after: 'lots' is no size: write bytes, or 512MiB, 2GiB, 1TiB",
        2,
        N,
    ),
    WrongTurn(
        "more nodes than ports between them",
        "cluster up --nodes 11",
        "11 nodes need --port-stride 11 or more: node i uses base+i, base+stride+i and "
        "base+2*stride+i",
        2,
        N,
    ),
    WrongTurn(
        "a port that only root may use",
        "cluster up --base-port 80",
        "--base-port is 0 or from 1024 to 65511: 0 picks free ports",
        2,
        N,
    ),
    WrongTurn(
        "a port that another program has",
        "cluster up --base-port PORT",
        "port … is in use by pid … (…): stop it, or choose another --base-port (0 picks free ones)",
        2,
        N,
        "port_taken",
    ),
    WrongTurn(
        "a running cluster asked to have other nodes",
        "cluster up --nodes 5",
        "strongroom-data has 1 nodes, not 5: leave out --nodes, or name another --dir",
        2,
        F,
    ),
    WrongTurn(
        "… other ports",
        "cluster up --base-port 8000",
        "strongroom-data uses ports from 9: leave out --base-port, or name another --dir",
        2,
        F,
    ),
    WrongTurn(
        "a node that is not there",
        "cluster stop n9",
        "no node n9 in strongroom-data: it has n0",
        2,
        F,
    ),
    WrongTurn(
        "the log of a node that never ran",
        "cluster logs n0",
        "n0 has no log yet: it was never started",
        1,
        F,
    ),
    WrongTurn(
        "a node that stopped on a full disk",
        "cluster status",
        "n0 stopped: no space left for …/ledger/blocks-000012.log (0.0 of 20.0 GB free). Nothing "
        "that was answered is lost: free some, then `strongroom cluster start n0`",
        0,
        F,
        "full_disk",
    ),
    WrongTurn(
        "nothing runs",
        "query payments.balance --as alice --timeout 2",
        "no answer in 2 s: n0: …. Start them with `strongroom cluster up`",
        3,
        F,
    ),
    WrongTurn(
        "… and the explorer is asked",
        "explorer blocks",
        "no node answers: https://127.0.0.1:…. Look at `strongroom cluster status`",
        3,
        F,
    ),
)

KEYS = (
    WrongTurn(
        "a name mistyped",
        f"{PAY} --as alise",
        "no identity 'alise' in strongroom-data/keys (there: alice): did you mean alice?",
        2,
        F,
    ),
    WrongTurn(
        "nobody of that name",
        f"{PAY} --as zoe",
        "no identity 'zoe' in strongroom-data/keys (there: alice): make it with "
        "`strongroom keys new zoe`",
        2,
        F,
    ),
    WrongTurn(
        "a key that is there already",
        "keys new alice",
        "strongroom-data/keys/alice.json exists: choose another name, or use it with --as alice",
        2,
        F,
    ),
    WrongTurn(
        "a name that is a path",
        "keys new ../ann",
        "'../ann' is no name: letters, digits, '_', '-' and '.', at most 64, or id:HEX",
        2,
        F,
    ),
    WrongTurn(
        "a key file that is damaged",
        f"{PAY} --as alice",
        "strongroom-data/keys/alice.json is damaged: not a key file; restore it from a copy",
        2,
        F,
        "damaged_key",
    ),
    WrongTurn(
        "one whose seed was changed",
        f"{PAY} --as alice",
        "strongroom-data/keys/alice.json is damaged: its seed does not give its public key; "
        "restore it from a copy",
        2,
        F,
        "changed_seed",
    ),
    WrongTurn(
        "one that others may read",
        f"{PAY} --as alice",
        "others may read strongroom-data/keys/alice.json: run `chmod 600 "
        "strongroom-data/keys/alice.json`",
        2,
        F,
        "open_key",
    ),
    WrongTurn(
        "a wrong passphrase",
        f"{PAY} --as ann",
        "the passphrase does not open strongroom-data/keys/ann.json: type it again, or look at "
        "STRONGROOM_PASSPHRASE",
        2,
        F,
        "another_passphrase",
    ),
)

PROGRAMS = (
    WrongTurn(
        "a program that is not there",
        "call payment.transfer to=bob amount=5 --as alice",
        "no program 'payment'; this service runs …: did you mean payments?",
        2,
        S,
    ),
    WrongTurn(
        "an operation that is not there",
        "call payments.transfr to=bob amount=5 --as alice",
        "program payments has no 'transfr'; it has …: did you mean transfer?",
        2,
        S,
    ),
    WrongTurn(
        "a program and no operation",
        "call payments to=bob amount=5 --as alice",
        "'payments': write PROGRAM.OPERATION, e.g. payments.transfer",
        2,
        S,
    ),
    WrongTurn(
        "a query called",
        "call payments.balance --as alice",
        "payments.balance is no transaction: use query",
        2,
        S,
    ),
    WrongTurn(
        "a transaction queried",
        "query payments.transfer to=bob amount=5 --as alice",
        "payments.transfer is no query: use call",
        2,
        S,
    ),
    WrongTurn(
        "an argument that is not there",
        "call payments.transfer to=bob ammount=5 --as alice",
        "unknown ammount: payments.transfer(to=an account (NAME, id:HEX or id:HEX/label), "
        "amount=an integer, source=a string, memo=a string)",
        2,
        S,
    ),
    WrongTurn(
        "an argument left out",
        "call payments.transfer to=bob --as alice",
        "missing amount: payments.transfer(to=…)",
        2,
        S,
    ),
    WrongTurn(
        "one without its name",
        "call payments.transfer bob amount=5 --as alice",
        "'bob': write KEY=VALUE, like amount=5",
        2,
        S,
    ),
    WrongTurn(
        "one twice",
        "call payments.transfer to=bob to=carol amount=5 --as alice",
        "to is given twice: leave one out",
        2,
        S,
    ),
    WrongTurn(
        "a word where a number belongs",
        "call payments.transfer to=bob amount=five --as alice",
        "amount: expected an integer, got 'five'",
        2,
        S,
    ),
    WrongTurn(
        "a number that no field holds",
        "call payments.transfer to=bob amount=99999999999999999999999 --as alice",
        "amount: 23 digits: integers go from -2^63 to 2^64 - 1",
        2,
        S,
    ),
    WrongTurn(
        "an id that was cut",
        "call payments.transfer to=id:12 amount=5 --as alice",
        "to: expected id: and 64 hex digits (SHA-256 of a public key)",
        2,
        S,
    ),
    WrongTurn(
        "JSON that is none",
        "call payments.transfer_many 'transfers=[[\"bob\", 1' --as alice",
        "transfers: expected a list of [to, amount, source, memo] as JSON in one pair of quotes, "
        "and it is none: Expecting ',' delimiter at character 11",
        2,
        S,
    ),
    WrongTurn(
        "JSON of another shape",
        "call payments.transfer_many 'transfers={\"bob\": 1}' --as alice",
        "transfers: expected a list of [to, amount, source, memo], got dict",
        2,
        S,
    ),
    WrongTurn(
        "an amount below 1",
        "call payments.transfer to=bob amount=-5 --as alice",
        "amount: an amount is 1 to 9223372036854775807 (transaction …, height …)",
        1,
        S,
    ),
    WrongTurn(
        "more than there is",
        "call payments.transfer to=bob amount=5000 --as alice",
        "insufficient: the balance is 1000, 5000 is needed (transaction …, height …)",
        1,
        S,
    ),
    WrongTurn(
        "an account that nobody opened",
        "call payments.transfer to=bobb amount=5 --as alice",
        "no such account: the receiver has no account bobb (transaction …, height …)",
        1,
        S,
    ),
    WrongTurn(
        "a role that the caller has not",
        "call payments.issue to=bob amount=5 --as alice",
        "not the issuer: only an identity with the issuer role may issue (transaction …, height …)",
        1,
        S,
    ),
    WrongTurn(
        "somebody else's account",
        "query payments.balance account=bob --as alice",
        "not the owner: only its owner or an auditor may ask about an account",
        1,
        S,
    ),
)

LOOKING = (
    WrongTurn(
        "a block that is not there yet",
        "explorer block 999999",
        "no block at height 999999: the newest final one is …",
        1,
        C,
    ),
    WrongTurn(
        "a height that is none",
        "explorer block newest",
        "'newest': expected a height, latest, or the 64 hex digits of a header's digest",
        2,
        S,
    ),
    WrongTurn(
        "a field that is not there",
        "explorer block latest --field nope",
        "no field nope: there are height, hash, parent, …",
        2,
        S,
    ),
    WrongTurn(
        "a range written backwards",
        "explorer blocks --from 9 --to 2",
        "--from 9 --to 2: write the lower height first",
        2,
        S,
    ),
    WrongTurn(
        "an id that was cut",
        "explorer tx 4711",
        "'4711' is no transaction id: 64 lowercase hex digits",
        2,
        S,
    ),
    WrongTurn(
        "a transaction that nobody knows",
        "explorer tx TXID",
        "no node that answers knows transaction …: check the id, or ask again later",
        1,
        S,
    ),
    WrongTurn(
        "… its receipt",
        "receipt TXID",
        "no executed transaction has this id: ask again later, or check the id",
        1,
        C,
    ),
    WrongTurn(
        "a receipt checked without a pin",
        "verify receipt r.json",
        "cannot check: no pin: give the service's with --service",
        4,
        N,
    ),
    WrongTurn(
        "a receipt that is not there",
        "verify receipt r.json --service PIN",
        "cannot check: cannot read r.json: No such file or directory",
        4,
        N,
    ),
    WrongTurn(
        "a file that is no receipt",
        "verify receipt strongroom-data/service.json --service PIN",
        "forged: not a receipt: its format is not strongroom-receipt",
        1,
        F,
    ),
    WrongTurn(
        "a ledger that is not there",
        "verify ledger demo --service PIN",
        "cannot check: no ledger in demo: no file blocks-*.log",
        4,
        N,
    ),
    WrongTurn(
        "an archive that is not there",
        "verify archive demo",
        "cannot check: demo: there is no archive.json: name the folder of one node's archive",
        4,
        N,
    ),
    WrongTurn(
        "the explorer on files that are none",
        "explorer blocks --from-ledger demo",
        "no ledger in demo: no file blocks-*.log",
        4,
        N,
    ),
    WrongTurn(
        "a proposal that is not there",
        "gov show 99",
        "no proposal's id begins with '99': `strongroom gov show` lists them",
        1,
        S,
    ),
    WrongTurn(
        "a change that is not there",
        "gov propose rotat --as member0",
        "unknown-change: no such change; there are allow_measurement, …",
        2,
        S,
    ),
    WrongTurn(
        "a vote that is neither",
        "gov vote 99 maybe --as member0",
        "'maybe': vote yes or no",
        2,
        S,
    ),
    WrongTurn(
        "somebody votes who is no member",
        "gov propose allow_region region=oslo --as alice",
        "not-a-member: only members govern: sign with a member's key",
        1,
        S,
    ),
)

SERVICES = (
    WrongTurn(
        "the service was founded anew",
        f"{PAY} --as alice",
        "not trusted (pin): it shows the genesis of sr1-…, not of sr1-…: the service was founded "
        "anew, or this is another one. Nothing was sealed. If you trust it, take its service.json "
        "from its operator",
        1,
        S,
        "another_pin",
    ),
    WrongTurn(
        "… and the explorer is asked",
        "explorer status",
        "not trusted (pin): the nodes say that they are of sr1-…, this folder pins sr1-…: the "
        "service was founded anew, or this is another one. If you trust it, take its service.json "
        "from its operator",
        1,
        S,
        "another_pin",
    ),
    WrongTurn(
        "no answer in time to what was sent",
        f"{PAY} --as alice --timeout 2",
        "transaction … may still be ordered. Ask later: `strongroom explorer tx … --as alice`. "
        "Calling again would do it twice",
        3,
        S,
        "paused",
    ),
    WrongTurn(
        "a receipt asked for at once",
        "receipt TXID --timeout 1",
        "receipt of transaction … is not there yet: …. Waiting; --timeout says how long",
        1,
        S,
        "no_anchor",
    ),
    WrongTurn(
        "a terminal that is too small",
        "explorer watch",
        "explorer watch needs 60 columns and 16 lines, this terminal has 52 by 12: make it larger, "
        "or use --plain.",
        2,
        F,
        "small_terminal",
    ),
    WrongTurn(
        "the live screen without its extra",
        "explorer watch",
        "textual is missing: pip install 'strongroom[watch]', or use --plain",
        2,
        F,
        "no_textual",
    ),
    WrongTurn(
        "clean rooms without their extra",
        "rooms check query.sql --schema tables.toml",
        "duckdb is missing: pip install 'strongroom[rooms]'",
        2,
        N,
        "no_rooms",
    ),
    WrongTurn(
        "a port that another cluster has",
        "cluster up --dir second --base-port PORT",
        "port … belongs to n0 of the cluster in … (pid …): stop that one with `strongroom cluster "
        "down --dir …`, or choose another --base-port (0 picks free ones)",
        2,
        C,
    ),
    WrongTurn(
        "two of four nodes killed",
        "query payments.balance --as alice --timeout 10",
        "no answer in 10 s: no quorum: n0 and n1 answer, 3 of 4 are needed; n2 and n3 do not. "
        "Start one with `strongroom cluster start n2`",
        3,
        C,
        "two_killed",
    ),
    WrongTurn(
        "Ctrl-C in the middle of `cluster up`",
        "cluster up",
        "interrupted: n2 and n3, started just now, were stopped again; the folder is whole. Go on "
        "with `strongroom cluster up`",
        130,
        C,
        "interrupted",
    ),
)

SECTIONS = {
    "The command line": COMMAND_LINE,
    "Folders, ports, nodes": FOLDERS,
    "Identities": KEYS,
    "Programs and their arguments": PROGRAMS,
    "What is not there": LOOKING,
    "Services, terminals, interruptions": SERVICES,
}
ROWS = tuple(row for rows in SECTIONS.values() for row in rows)
