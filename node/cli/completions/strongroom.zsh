#compdef strongroom
# zsh completion of strongroom. Written by ./scripts/reference from the commands: do not edit.
#
#   source <(strongroom completion zsh)        after compinit; or as _strongroom in a folder of fpath
#
# Words and options stand here; names that change are asked of `strongroom _complete`. Nothing that is
# typed or answered is evaluated: no eval, no (e) flag, no program but `strongroom` from PATH.

# Words behind a command: subs, options (NAME=KIND:HELP or NAME:HELP), arguments.
__strongroom_table() {
    subs=() opts=() args=()
    case $1 in
        ('')
            subs+=('call:One transaction')
            subs+=('query:One sealed query on executed state')
            subs+=('receipt:Fetch a transaction'\''s receipt, verify it against the pin, write it to a file')
            subs+=('trust:Say what is promised, what it rests on, and exactly which code must be trusted for it')
            subs+=('bench:Measure sealed transactions on a cluster of its own on this machine')
            subs+=('completion:Print what lets a shell complete words')
            subs+=('cluster:A cluster of real node processes on this machine, in one folder (attestation is SIMULATED)')
            subs+=('node:One node, on its own machine')
            subs+=('found:Found a service between organisations, by files that they exchange')
            subs+=('keys:Identities')
            subs+=('custodian:The customer'\''s process beside an HSM')
            subs+=('verify:Offline checks, against nothing but a pin')
            subs+=('explorer:The block explorer')
            subs+=('gov:Governance')
            subs+=('admin:Privileged access')
            subs+=('attest:Evidence of running nodes (says SIMULATED where no silicon stands behind)')
            subs+=('vault:Keys that only attested rooms may use, while their owner agrees')
            subs+=('room:Rooms')
            subs+=('rooms:Clean rooms')
            subs+=('data:Data sets of clean rooms')
            subs+=('residency:Where keys could be opened, and by whose word')
            subs+=('people:People')
            subs+=('recover:Shares of the key to the ledger, among members')
            subs+=('users:Users of the service')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder, for commands that read one')
            opts+=('--version:Print the version')
            args=() ;;
        ('call')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--wait=words,none,commit,receipt:What to wait for')
            opts+=('--recorded:A query, sent as a transaction')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(transaction arguments+) ;;
        ('query')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--at-least=none:By default the newest you have seen')
            opts+=('--linearizable:After all that is final now, as a quorum knows it')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(query arguments+) ;;
        ('receipt')
            opts+=('--help:Show what it does, and its options.')
            opts+=('-o=file:Where to; TXID.receipt.json by default')
            opts+=('--output=file:Where to; TXID.receipt.json by default')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(id) ;;
        ('trust')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--files:List the files of libraries too')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('bench')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--nodes=none:Replicas')
            opts+=('--clients=none:Clients, each with a session of its own')
            opts+=('--rate=words,max:Payments a second in all (open loop), or max')
            opts+=('--seconds=none:Measured time; 10 by default, vault 30')
            opts+=('--warmup=none:Load before it is measured, in seconds')
            opts+=('--size=none:Payments')
            opts+=('--program=none:What is called')
            opts+=('--rooms=none:Vault')
            opts+=('--beat=none:Vault')
            opts+=('--full:Rooms')
            opts+=('--processes=none:Load processes')
            opts+=('--outstanding=none:Per client, in a closed loop')
            opts+=('--one-shot:A session for each payment')
            opts+=('--suite:All rows of the README'\''s table, one after the other')
            opts+=('--soak:Ten minutes at 3,000 a second')
            opts+=('--profile=file:Write flame graphs of a host and an enclave')
            opts+=('--markdown:The result as a table for a document')
            opts+=('--compare=none:A suite'\''s JSON from before')
            opts+=('--repeat=none:Measure so often')
            opts+=('--peer=words,etcd:Measure this machine'\''s etcd beside it; its ratios')
            opts+=('--tables=none:Suite')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('completion')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(words,bash,zsh,fish) ;;
        ('cluster')
            subs+=('up:Start a cluster')
            subs+=('status:Show each node')
            subs+=('down:Stop every node; leaves no process')
            subs+=('stop:Stop one node in an orderly way')
            subs+=('start:Start one node; returns when its host answers, with --wait when it votes again')
            subs+=('kill:End one node'\''s host and enclave with SIGKILL, as a crash would; returns when both are gone')
            subs+=('add:Add a node')
            subs+=('remove:Remove a node')
            subs+=('logs:Show the end of one node'\''s log')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('cluster up')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--nodes=none:How many nodes to make (default 4)')
            opts+=('--base-port=none:Node i serves on base+i; 0 picks free ports (default 7400)')
            opts+=('--port-stride=none:Node i talks to peers on base+stride+i')
            opts+=('--epoch-blocks=none:A new cluster'\''s epochs end after N blocks (0')
            opts+=('--recovery=none:Members keep shares, of which K open the ledger after a disaster (default')
            opts+=('--archive=dir:Closed segments of the ledger go there')
            opts+=('--archive-after=none:So much of the ledger stays in a node'\''s folder')
            opts+=('--detach:Return when the service answers')
            opts+=('-d:Return when the service answers')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('cluster status')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('cluster down')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('cluster stop')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(node) ;;
        ('cluster start')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--wait:Return when it votes')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(node) ;;
        ('cluster kill')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(node) ;;
        ('cluster add')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--region=none:Where it stands; one that is allowed')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('cluster remove')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(node) ;;
        ('cluster logs')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--follow:Go on with what is appended, until Ctrl-C')
            opts+=('-f:Go on with what is appended, until Ctrl-C')
            opts+=('--lines=none:How many last lines')
            opts+=('-n=none:How many last lines')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(node) ;;
        ('node')
            subs+=('init:Make a node'\''s folder')
            subs+=('admit:Admit an organisation at this node'\''s door')
            subs+=('run:Run a node'\''s host in the foreground, until SIGTERM or Ctrl-C; or check configuration, folder, disk, ports, keys, evidence, pin, names and clock')
            subs+=('join:Prepare a node that is to join a running service, and print what members must allow before')
            subs+=('health:Ask the node of this folder whether it takes part; exit 0 when it does, 1 when not yet, 3 when it does not answer')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('node init')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--rpc=none:Where it listens for clients')
            opts+=('--peer=none:Where it listens for other nodes')
            opts+=('--announce-rpc=none:What clients are told, if it differs')
            opts+=('--announce-peer=none:What other nodes are told, if it differs')
            opts+=('--health=none:Where health and metrics are, too')
            opts+=('--operator=none:Who runs it')
            opts+=('--member=none:Who governs for it (default')
            opts+=('--region=none:Where it stands; with --operator')
            opts+=('--country=none:In which country that is, two capital letters')
            opts+=('--platform=dir:The SIMULATED maker of its chip (default')
            opts+=('--with=none:Another member; repeat for each')
            opts+=('--genesis=file:Genesis of the chain (default')
            opts+=('--archive=dir:Closed segments of the ledger go there')
            opts+=('--archive-after=none:So much of the ledger stays in a node'\''s folder')
            opts+=('--check:Write nothing')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(dir) ;;
        ('node admit')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--config=file:The node'\''s TOML configuration')
            opts+=('-o=file:Where its credential goes (mode 0600)')
            opts+=('--card=file:Its card')
            opts+=('--weight=none:Its share beside the others'\''')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('node run')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--config=file:The node'\''s TOML configuration')
            opts+=('--check:Look whether it would run here, and start nothing')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('node join')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--pin=none:The service'\''s, for a node of `node init`')
            opts+=('--at=none:Where one of its nodes serves clients')
            opts+=('--operator=none:Local cluster')
            opts+=('--region=none:Local cluster')
            opts+=('--rpc=none:Local cluster')
            opts+=('--peer=none:Local cluster')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('node health')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--config=file:The node'\''s TOML configuration')
            opts+=('--live:Only whether its process answers, not whether it votes')
            opts+=('--timeout=none:Seconds')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('found')
            subs+=('propose:Propose a service of the organisations whose cards are given')
            subs+=('show:Show what files of a ceremony say, believing nothing in them')
            subs+=('check:Check everything that is here of the others, and print what accepting would sign')
            subs+=('accept:Have this node'\''s enclave answer a proposal, once every card in it is the one that its organisation gave you itself; sign that')
            subs+=('make:Make the genesis of all acceptances')
            subs+=('confirm:Check the genesis against your own copies of all acceptances, have the enclave take its secret, and sign that you begin with this one')
            subs+=('seal:Finish, once everybody confirmed the same genesis')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('found propose')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--name=none:The service'\''s')
            opts+=('-o=file:Where the file for the others goes')
            opts+=('--issuer=identity:Who issues payments; repeat for more')
            opts+=('--limit=none:A limit unlike its default')
            opts+=('--member=none:A member that runs no node')
            opts+=('--user=none:Id of a first user of the roster')
            opts+=('--max-age-hours=none:How old evidence may be')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file+) ;;
        ('found show')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file+) ;;
        ('found check')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--node=none:Which node of the folder, if it has several')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file+) ;;
        ('found accept')
            opts+=('--help:Show what it does, and its options.')
            opts+=('-o=file:Where the file for the others goes')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--node=none:Which node of the folder, if it has several')
            opts+=('--instead:Give up another proposal that was accepted, for good')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file+) ;;
        ('found make')
            opts+=('--help:Show what it does, and its options.')
            opts+=('-o=file:Where the file for the others goes')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--node=none:Which node of the folder, if it has several')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file+) ;;
        ('found confirm')
            opts+=('--help:Show what it does, and its options.')
            opts+=('-o=file:Where the file for the others goes')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--node=none:Which node of the folder, if it has several')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file+) ;;
        ('found seal')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--node=none:Which node of the folder, if it has several')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file+) ;;
        ('keys')
            subs+=('new:Make an identity; its key file is for its owner only (mode 0600)')
            subs+=('list:List the identities of this folder')
            subs+=('show:Show what anyone may know of one identity')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('keys new')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--passphrase:Seal the key file; asks, or takes STRONGROOM_PASSPHRASE')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('keys list')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('keys show')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(identity) ;;
        ('custodian')
            subs+=('init:Make a key inside the HSM that never leaves it, and the custodian'\''s folder')
            subs+=('check:Show what the HSM can do, and whether its key is the one that `init` made')
            subs+=('announce:Say on the ledger where rooms ask this custodian, and under which certificate')
            subs+=('run:Answer rooms until Ctrl-C')
            subs+=('journal:Verify the whole journal, and show it')
            subs+=('put:Give a key of custody split or hsm its secret, beside its HSM, and seal a file under it')
            subs+=('exchange:Check that an exchange key is an import room'\''s own, for that key of yours alone, and write it for the HSM'\''s tool')
            subs+=('rewrap:Put what a room imported in place of a split key'\''s data key')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('custodian init')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--customer=none:Whose HSM it is')
            opts+=('--module=file:The vendor'\''s PKCS#11 module')
            opts+=('--token=none:The token'\''s label')
            opts+=('--dir=dir:The custodian'\''s folder')
            opts+=('--serial=none:Its serial number, where two have one label')
            opts+=('--form=words,hmac,ecdh:How halves are made; by default as the token can')
            opts+=('--label=none:The key'\''s label')
            opts+=('--service=file:The service.json')
            opts+=('--as=identity:The custodian'\''s identity')
            opts+=('--listen=none:Where rooms ask')
            opts+=('--env=none:A variable that the module wants')
            opts+=('--pin-file=file:The HSM'\''s PIN, in a file of mode 0600')
            opts+=('--pin-fd=none:The HSM'\''s PIN, from an open descriptor')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('custodian check')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The custodian'\''s folder')
            opts+=('--pin-file=file:The HSM'\''s PIN, in a file of mode 0600')
            opts+=('--pin-fd=none:The HSM'\''s PIN, from an open descriptor')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('custodian announce')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The custodian'\''s folder')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('custodian run')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The custodian'\''s folder')
            opts+=('--listen=none:Instead of the settings'\''')
            opts+=('--plain:HTTP without TLS, for a proxy that has its own')
            opts+=('--pin-file=file:The HSM'\''s PIN, in a file of mode 0600')
            opts+=('--pin-fd=none:The HSM'\''s PIN, from an open descriptor')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('custodian journal')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The custodian'\''s folder')
            opts+=('--after=none:Show entries after this one')
            opts+=('--limit=none:At most so many')
            opts+=('--compare:Look for every release that the ledger has')
            opts+=('--key=none:Also of a key that is not in it')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('custodian put')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--owner=none:Whose key it is')
            opts+=('--dir=dir:The custodian'\''s folder')
            opts+=('--digest=none:Of the container sealed under it')
            opts+=('--pieces=words,layers:Where the file is cut')
            opts+=('--out=file:The container; FILE.sealed')
            opts+=('-o=file:The container; FILE.sealed')
            opts+=('--for-import:A data key that nobody keeps')
            opts+=('--rotate:Make the next version of a key that has one')
            opts+=('--old-until-ms=none:With --rotate')
            opts+=('--pin-file=file:The HSM'\''s PIN, in a file of mode 0600')
            opts+=('--pin-fd=none:The HSM'\''s PIN, from an open descriptor')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none file) ;;
        ('custodian exchange')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--key=none:Into which split key of yours')
            opts+=('--dir=dir:The custodian'\''s folder')
            opts+=('--out=file:The exchange key, in PEM')
            opts+=('-o=file:The exchange key, in PEM')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('custodian rewrap')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--owner=none:Whose key it is')
            opts+=('--dir=dir:The custodian'\''s folder')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('verify')
            subs+=('receipt:Verify a receipt offline')
            subs+=('ledger:Verify all files of a ledger offline')
            subs+=('archive:Compare every archived segment with its SHA-256 in archive.json, offline')
            subs+=('residency:Recompute offline where keys could be opened, in which epoch, and who vouches')
            subs+=('misbehaviour:Judge two files that contradict each other')
            subs+=('page:Write a page that checks receipts in a browser, offline, as verify receipt does')
            subs+=('evidence:Verify attestation evidence offline')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('verify receipt')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--service=none:The service'\''s pin (sr1-…); without it, no verdict')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('verify ledger')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--service=none:The service'\''s pin (sr1-…); without it, no verdict')
            opts+=('--at-least=words,latest:Known to be final')
            opts+=('--genesis=file:By default genesis.bin beside the folder')
            opts+=('--archive=dir:Where older segments are (default')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(dir) ;;
        ('verify archive')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(dir) ;;
        ('verify residency')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--service=none:The service'\''s pin (sr1-…); without it, no verdict')
            opts+=('--at-least=words,latest:Known to be final')
            opts+=('--ledger=dir:A node'\''s ledger')
            opts+=('--genesis=file:By default genesis.bin beside the folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('verify misbehaviour')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--service=none:The service'\''s pin (sr1-…); without it, no verdict')
            opts+=('-o=file:Write a proof that holds both')
            opts+=('--output=file:Write a proof that holds both')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file+) ;;
        ('verify page')
            opts+=('--help:Show what it does, and its options.')
            opts+=('-o=file:Where to')
            opts+=('--output=file:Where to')
            opts+=('--force:Replace a file that is there')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('verify evidence')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--cases=file:Judge all of a file'\''s cases; paths relative to it')
            opts+=('--policy=words,strict:What is demanded')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('explorer')
            subs+=('status:The service and each of its nodes')
            subs+=('search:What this names')
            subs+=('blocks:The newest blocks, or a range of at most 100')
            subs+=('block:One block')
            subs+=('tx:One transaction')
            subs+=('verify:Check the chain that a node shows, from block H down to genesis, against the pin')
            subs+=('nodes:Validators and other registered nodes, with the verdict over each one'\''s evidence, and proven offences')
            subs+=('members:The members who govern, and their roles in programs')
            subs+=('proposals:Members'\'' proposals, newest first')
            subs+=('epochs:The succession of epochs')
            subs+=('regions:Regions that members know')
            subs+=('recovery:Who holds shares of the key to the ledger, which generations there are, and what is wrong')
            subs+=('grants:Privileged access')
            subs+=('region-rules:From where people may call, as members voted')
            subs+=('keys:Keys of an owner that you may read')
            subs+=('leases:The newest leases of each key of an owner')
            subs+=('custodians:Custodians that announced themselves or that an owner'\''s keys name, and what hangs on each')
            subs+=('rooms:The clean rooms of which you are a party or an auditor')
            subs+=('room:One clean room on one page')
            subs+=('contracts:A clean room'\''s contracts, in the order in which they were proposed')
            subs+=('job:One job')
            subs+=('users:Who may open sessions')
            subs+=('watch:The service live')
            subs+=('web:The explorer as a web page on this machine, until Ctrl-C')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('explorer status')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('explorer search')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none+) ;;
        ('explorer blocks')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--from=words,latest:First height')
            opts+=('--to=words,latest:Last height; latest without it')
            opts+=('--limit=none:How many, without --from')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('explorer block')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Open what this identity of keys/ may open')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(words,latest) ;;
        ('explorer tx')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Open what this identity of keys/ may open')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(id) ;;
        ('explorer verify')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(words,latest) ;;
        ('explorer nodes')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('explorer members')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('explorer proposals')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('explorer epochs')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('explorer regions')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('explorer recovery')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('explorer grants')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('explorer region-rules')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('explorer keys')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(identity) ;;
        ('explorer leases')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(identity) ;;
        ('explorer custodians')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(identity) ;;
        ('explorer rooms')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('explorer room')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--newest=none:Contracts, jobs and events, of each so many')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('explorer contracts')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--after=none:Those behind this number')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('explorer job')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('explorer users')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--field=none:One field of the JSON alone, like anchor.height or 0.id')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('explorer watch')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--plain:A line per event, nothing redrawn; so it is where there is no terminal')
            opts+=('--seconds=none:End after so long, with --plain')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('explorer web')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--port=none:0 picks a free one')
            opts+=('--open:Open the page in this machine'\''s browser')
            opts+=('--from-ledger=dir:Read the ledger'\''s files in a node'\''s folder instead of asking nodes')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('gov')
            subs+=('simulate:Try changes on the rules of now, by the enclave'\''s own code')
            subs+=('propose:Propose a change, or several that take effect together or not at all; the proposer'\''s own yes is counted')
            subs+=('vote:Vote on a proposal')
            subs+=('withdraw:Take back one'\''s own open proposal')
            subs+=('show:Show proposals')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('gov simulate')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--file=none:A TOML file of [[changes]], instead of words')
            opts+=('--proposal=none:The changes and ballots of a proposal')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(change+) ;;
        ('gov propose')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--file=none:A TOML file of [[changes]], instead of words')
            opts+=('--lifetime=none:Seconds in which it must be decided; else the limit')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(change+) ;;
        ('gov vote')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none words,yes,no) ;;
        ('gov withdraw')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('gov show')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('admin')
            subs+=('ask:Ask for privileged access, for the operator that members say you act for')
            subs+=('approve:Say yes, to exactly what is shown; a member who acts for another operator than the asker')
            subs+=('deny:Say no')
            subs+=('review:Say that you have looked at an emergency that was used; until enough have, nobody may ask once 72 hours are over')
            subs+=('revoke:Take a grant back')
            subs+=('begin:Begin one operation at one node, once')
            subs+=('finish:Report what came of a begin, within an hour; a role ends with it')
            subs+=('list:Show grants, events and alarms, as one node tells them')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('admin ask')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--reason=none:20 characters or more')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--node=node:Where; may be repeated')
            opts+=('--for=none:From the first begin on, like 30m')
            opts+=('--claim-by=none:To be begun within, like 2h')
            opts+=('--emergency:One approver, at most 1h, an alarm, to be reviewed')
            opts+=('--wait:Until it is approved (0) or not (1)')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none+) ;;
        ('admin approve')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('admin deny')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('admin review')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('admin revoke')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('admin begin')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/ that asked')
            opts+=('--node=node:Name of the node')
            opts+=('--measurement=none:Of an upgrade')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none none) ;;
        ('admin finish')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--outcome=none:What came of it, in a line')
            opts+=('--as=identity:Identity of the folder'\''s keys/ that asked')
            opts+=('--node=node:Name of the node')
            opts+=('--file=file:Its SHA-256 goes on record, like of a log')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none none) ;;
        ('admin list')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--wait:With ID')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('attest')
            subs+=('show:Ask a node for fresh evidence, check it against the pin in the folder'\''s service.json, say it in words')
            subs+=('verify:Verify a running node against a pin that you bring')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('attest show')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(node) ;;
        ('attest verify')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--service=none:The service'\''s pin (sr1-…); without it, no verdict')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(node) ;;
        ('vault')
            subs+=('new:Make a key')
            subs+=('change:Change a key'\''s terms')
            subs+=('put:Seal a file under a new data key and give that to the ledger; the key becomes active')
            subs+=('rotate:Give a key its next version, with a new data key and a new container')
            subs+=('suspend:Stop a key for a while')
            subs+=('resume:Let a suspended key be used again')
            subs+=('revoke:Stop a key, or one version of it, for good')
            subs+=('destroy:Revoke, and leave nothing of the secret behind')
            subs+=('confirm:Let a key be used again that lived in an epoch which ended as compromised; else rotate it')
            subs+=('approve:Consent to a change of a key that names you as an approver')
            subs+=('resolve:Say which of two starts of one room is yours, after both were frozen as clones')
            subs+=('end:End a lease of a key of yours')
            subs+=('keys:List keys that you may read')
            subs+=('show:Show one key')
            subs+=('leases:List the leases of a key, or of all your keys; with --watch tell each ask, refusal, beat, use and end as it comes (with --json a document a line)')
            subs+=('lease:Show one lease, and what its room could still do if you revoked the key now')
            subs+=('records:Show what happened to a key, what was refused, or which calls were wrong in themselves, with the digest of the chain over it all')
            subs+=('policy:Release policies')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('vault new')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--policy=file:Release policy (JSON)')
            opts+=('--pieces=none:Given one by one; 0')
            opts+=('--quantity=none:Units in all; 0')
            opts+=('--from=none:ISO 8601, in UTC; not before it')
            opts+=('--until=none:Not after it; `open` for no end')
            opts+=('--approver=none:Who consents to loosening; may be repeated')
            opts+=('--threshold=none:How many of them; all, if not given')
            opts+=('--heartbeat=none:How often a room reports')
            opts+=('--lease=none:How long it goes on unheard')
            opts+=('--allotment=none:Units that a lease may hold unused')
            opts+=('--delay=none:How long a loosening waits')
            opts+=('--custody=words,ledger,split,hsm:Who can open it')
            opts+=('--custodian=none:Whose HSM holds the other half')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('vault change')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--policy=file:Release policy (JSON)')
            opts+=('--quantity=none:Units in all; 0')
            opts+=('--from=none:ISO 8601, in UTC; not before it')
            opts+=('--until=none:Not after it; `open` for no end')
            opts+=('--approver=none:Who consents to loosening; may be repeated')
            opts+=('--threshold=none:How many of them; all, if not given')
            opts+=('--heartbeat=none:How often a room reports')
            opts+=('--lease=none:How long it goes on unheard')
            opts+=('--allotment=none:Units that a lease may hold unused')
            opts+=('--delay=none:How long a loosening waits')
            opts+=('--custodian=none:Whose HSM holds the other half')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('vault put')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--pieces=words,layers:Where the file is cut')
            opts+=('--out=file:The container; FILE.sealed')
            opts+=('-o=file:The container; FILE.sealed')
            opts+=('--passphrase:Seal the data key'\''s file with a passphrase')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none file) ;;
        ('vault rotate')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--old-for=none:How long the old one opens; 0')
            opts+=('--pieces=words,layers:Where the file is cut')
            opts+=('--out=file:The container; FILE.sealed')
            opts+=('-o=file:The container; FILE.sealed')
            opts+=('--passphrase:Seal the data key'\''s file with a passphrase')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none file) ;;
        ('vault suspend')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('vault resume')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('vault revoke')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--yes:Do not ask')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('vault destroy')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--yes:Do not ask')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('vault confirm')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('vault approve')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('vault resolve')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--keep=none:Which start stays')
            opts+=('--room=none:Which room')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--session=none:Of two with one boot')
            opts+=('--machine=none:Of several with such a room')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('vault end')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('vault keys')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--after=none:Names behind this one')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(identity) ;;
        ('vault show')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('vault leases')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--watch:Tell what happens, a line each, until Ctrl-C')
            opts+=('--every=none:How often to look')
            opts+=('--last=none:Records from before, first')
            opts+=('--for=none:End by itself after this')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('vault lease')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('vault records')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--after=none:Records behind this number')
            opts+=('--refusals:What was refused')
            opts+=('--mistakes:Which calls were wrong in themselves')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('vault policy')
            subs+=('check:Check that a file is a release policy, as the ledger will when a key is made; says on stderr what you may not have meant')
            subs+=('explain:Judge claims, or a room'\''s evidence, by a policy as a dry run, and print each condition')
            subs+=('diff:Show claims that NEW would release and OLD would not, and the other way round; exact, for all claims (needs the extra `policy`')
            subs+=('import:Take over a policy of Azure Secure Key Release')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('vault policy check')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('vault policy explain')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--claims=file:A JSON object')
            opts+=('--evidence=file:A room'\''s evidence, its bytes')
            opts+=('--operator=none:With --evidence')
            opts+=('--country=none:With --evidence')
            opts+=('--age-ms=none:With --evidence')
            opts+=('--time-ms=none:With --evidence')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('vault policy diff')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file file) ;;
        ('vault policy import')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--authority=none:What an authority vouches for')
            opts+=('--instead=none:A condition of ours (JSON) for a claim of Azure that has no counterpart')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('room')
            subs+=('measure:Print the measurement of a room with this program')
            subs+=('chip:Make a SIMULATED chip of the cluster'\''s manufacturer')
            subs+=('run:Run a room until its program ends or a lease is refused; with --json one document a line for each event')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('room measure')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--files:A line for each measured file')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('room chip')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(dir) ;;
        ('room run')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--name=none:The room'\''s name')
            opts+=('--chip=dir:Folder of its chip')
            opts+=('--region=none:Where it stands, by your word')
            opts+=('--operator=none:Your name as its operator')
            opts+=('--as=identity:Whose key signs for this room')
            opts+=('--service=none:service.json, or its folder')
            opts+=('--state=dir:Its sealed state; by default beside the chip')
            opts+=('--file=none:A file that it may read; repeatable')
            opts+=('--set=none:A word to its program; repeatable')
            opts+=('--jobs=none:End after so many (`analytics`); 0')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('rooms')
            subs+=('create:Make a clean room of these terms')
            subs+=('join:Join a clean room whose terms name you; its id is the digest of its terms, so read them first')
            subs+=('show:Show one clean room')
            subs+=('events:Show what happened in a clean room, with the digest of the chain over it all')
            subs+=('close:Close a clean room, as one of its owners')
            subs+=('list:List the clean rooms of which you are a party')
            subs+=('propose:Propose a contract')
            subs+=('vote:Consent to a contract, or not, as a party of its room')
            subs+=('withdraw:Withdraw a contract, as an owner of one of its inputs, at once and alone')
            subs+=('contracts:List a clean room'\''s contracts, in the order in which they were proposed')
            subs+=('contract:Show one contract whole')
            subs+=('run:Run an approved contract')
            subs+=('jobs:List a clean room'\''s jobs, in the order in which they were run')
            subs+=('job:Show one job')
            subs+=('release:Consent, as a party, to the opening of one output of one job, or not')
            subs+=('keep:Make an output an asset of its room, for contracts that use it')
            subs+=('open:Open a result as one of its recipients')
            subs+=('cost:Show what a run of a contract would charge; of your own data sets, what is left too')
            subs+=('verify:Verify offline what the receipt of an opening proves')
            subs+=('predict:Ask a serving what its model tells of a row')
            subs+=('serving:Show a job that answers rows')
            subs+=('check:Judge a query by the rules S1 to S12, then run it over mock rows made from the schema; or run reviewed Python over such rows in a cell with a job'\''s bounds (needs the extra `rooms`)')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('rooms create')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('rooms join')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--terms=file:Join only if the room has these terms')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('rooms show')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('rooms events')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--after=none:Those behind this number')
            opts+=('--watch:Go on, a line for each event, until Ctrl-C')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('rooms close')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--yes:Do not ask')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('rooms list')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('rooms propose')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none file) ;;
        ('rooms vote')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--yes:Consent to it')
            opts+=('--no:Do not')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('rooms withdraw')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--yes:Do not ask')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('rooms contracts')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--after=none:Those behind this number')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('rooms contract')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('rooms run')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--set=none:A parameter; may be repeated')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('rooms jobs')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--after=none:Those behind this number')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('rooms job')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('rooms release')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--yes:Consent to its opening')
            opts+=('--no:Do not')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none none) ;;
        ('rooms keep')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none none none) ;;
        ('rooms open')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--out=file:Where the result goes')
            opts+=('-o=file:Where the result goes')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--form=words,csv,json,arrow:Of a table')
            opts+=('--receipt=file:Write its receipt, the claim revealed')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none none) ;;
        ('rooms cost')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('rooms verify')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--service=none:The service'\''s pin (sr1-…); without it, no verdict')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('rooms predict')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--row=none:One row; may be repeated')
            opts+=('--file=file:A row per line, with names')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('rooms serving')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('rooms check')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--schema=file:Tables, columns, uses, k, noise')
            opts+=('--rows=none:Mock rows of each table')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('data')
            subs+=('put:Bring rows as a data set'\''s first or next version')
            subs+=('extend:Add rows to a data set, like a batch of a sensor')
            subs+=('devices:List the devices whose batches a data set takes, with how far each has come; or change them')
            subs+=('sign:Sign readings as one batch of a device, and add it to a file that `put` and `extend` take')
            subs+=('list:List your data sets, or the assets of a clean room of yours')
            subs+=('show:Show one data set of yours')
            subs+=('withdraw:Withdraw a data set at once and for good, as one of its owners')
            subs+=('erase:Withdraw a data set, have the epoch end, and print what proves that its key is forgotten')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('data put')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--name=none:Of the data set')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--terms=file:Data terms (TOML); of a new one needed')
            opts+=('--key=none:Name of its vault key')
            opts+=('--policy=file:Release policy (JSON) of a new key')
            opts+=('--device=none:That signs batches of a new one (NAME or public key)')
            opts+=('--old-for=none:How long the version before opens')
            opts+=('--passphrase:Seal the data key'\''s file with a passphrase')
            opts+=('--custodian=dir:Of a key that stands in an HSM')
            opts+=('--pin-file=file:The HSM'\''s PIN, in a file of mode 0600')
            opts+=('--pin-fd=none:The HSM'\''s PIN, from an open descriptor')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('data extend')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--name=none:Of the data set')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--key=none:Name of its vault key')
            opts+=('--custodian=dir:Of a key that stands in an HSM')
            opts+=('--pin-file=file:The HSM'\''s PIN, in a file of mode 0600')
            opts+=('--pin-fd=none:The HSM'\''s PIN, from an open descriptor')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('data devices')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--add=none:A device more (NAME or public key)')
            opts+=('--remove=none:A device that signs no more')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('data sign')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--data=none:Of the data set')
            opts+=('--terms=file:Its terms (TOML)')
            opts+=('--device=none:Whose key signs')
            opts+=('--counter=none:One more than the last')
            opts+=('--out=file:Ends in .batches')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('data list')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--room=none:Assets of this clean room instead')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('data show')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('data withdraw')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--yes:Do not ask')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('data erase')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--key=none:Name of its vault key')
            opts+=('--member=none:Who proposes the rotation')
            opts+=('--wait=none:How long for the epoch'\''s end')
            opts+=('--yes:Do not ask')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('residency')
            subs+=('report:Check a node'\''s ledger, and write a report that anybody verifies with the pin alone')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('residency report')
            opts+=('--help:Show what it does, and its options.')
            opts+=('-o=file:Where to')
            opts+=('--output=file:Where to')
            opts+=('--service=none:The service'\''s pin (sr1-…); without it, no verdict')
            opts+=('--genesis=file:By default genesis.bin beside the folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(dir) ;;
        ('people')
            subs+=('nonce:Print the nonce that an ID token must carry to be presented by this identity, here and nowhere else')
            subs+=('present:Present an ID token')
            subs+=('show:Show where an identity stands, by whose word, and until when')
            subs+=('withdraw:Be in no region any more, until a newer token is presented')
            subs+=('issuer:Issuers that members chose, and their keys')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('people nonce')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('people present')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--issuer=none:Of the token, as in its iss')
            opts+=('--token-file=file:An ID token; standard input without this')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('people show')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('people withdraw')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('people issuer')
            subs+=('list:List the issuers whose tokens count here')
            subs+=('show:Show one issuer')
            subs+=('add:Propose an issuer; its keys are proposed after it was taken')
            subs+=('add-key:Propose to pin a key of an issuer')
            subs+=('remove:Propose to remove an issuer')
            subs+=('remove-key:Propose to remove a key')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('people issuer list')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('people issuer show')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('people issuer add')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--audience=none:The one aud of its tokens')
            opts+=('--claim=none:Which claim tells the region')
            opts+=('--region=none:What a value means; repeat it')
            opts+=('--guests=none:How guests are told')
            opts+=('--life=none:Longest life of a token, seconds')
            opts+=('--votes-only:Its keys come by vote alone, not by observation')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('people issuer add-key')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--jwks=file:A key set as the issuer publishes it')
            opts+=('--kid=none:Which one, when it has several')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('people issuer remove')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
        ('people issuer remove-key')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none none) ;;
        ('recover')
            subs+=('key:Make and publish a member'\''s recovery key')
            subs+=('check:Open a member'\''s share from the ledger, compare it with what was committed to, and say on the ledger that the member holds it')
            subs+=('status:Who holds a share, what is missing, and what would come of it if every enclave lost its keys now')
            subs+=('begin:On a node of a dead service')
            subs+=('plan:With several nodes')
            subs+=('join:With several nodes')
            subs+=('give:A member checks an offer against the pin and against what it saw itself, agrees, and seals its share to the enclave that asks')
            subs+=('take:On the node that leads')
            subs+=('open:With k shares')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('recover key')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--new:Another one; shares are then made anew, for all')
            opts+=('--passphrase:Seal its file; so it is anyhow if the member'\''s key file is')
            opts+=('--module=file:A PKCS#11 module')
            opts+=('--token=none:The token'\''s label; with --module')
            opts+=('--serial=none:Its serial number, where two have one label')
            opts+=('--env=none:A variable that the module wants')
            opts+=('--pin-file=file:The HSM'\''s PIN, in a file of mode 0600')
            opts+=('--pin-fd=none:The HSM'\''s PIN, from an open descriptor')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('recover check')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--pin-file=file:The HSM'\''s PIN, in a file of mode 0600')
            opts+=('--pin-fd=none:The HSM'\''s PIN, from an open descriptor')
            opts+=('--timeout=none:Seconds to wait before giving up')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('recover status')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--ledger=dir:Of a node of a dead service')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('recover begin')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--ledger=dir:A node'\''s folder')
            opts+=('--together:Other nodes take part too')
            opts+=('--genesis=file:By default the one beside the node'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('recover plan')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--ledger=dir:A node'\''s folder')
            opts+=('--genesis=file:By default the one beside the node'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file+) ;;
        ('recover join')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--ledger=dir:A node'\''s folder')
            opts+=('--genesis=file:By default the one beside the node'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('recover give')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:A member')
            opts+=('--out=file:By default NAME.share')
            opts+=('--receipt=file:Further receipts of yours to compare with')
            opts+=('--at-least=words,latest:A height that you know')
            opts+=('--lost-above=words,latest:No ledger has the outcomes above it that you saw')
            opts+=('--again:Although you agreed to another offer')
            opts+=('--pin-file=file:The HSM'\''s PIN, in a file of mode 0600')
            opts+=('--pin-fd=none:The HSM'\''s PIN, from an open descriptor')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file) ;;
        ('recover take')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--ledger=dir:A node'\''s folder')
            opts+=('--genesis=file:By default the one beside the node'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file+) ;;
        ('recover open')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--ledger=dir:A node'\''s folder')
            opts+=('--handed=file:With several nodes')
            opts+=('--genesis=file:By default the one beside the node'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(file+) ;;
        ('users')
            subs+=('bring:Bring users onto the roster, as a member')
            subs+=('dismiss:Take users back whom this member brought')
            subs+=('list:List the users whom this member brought')
            subs+=('standing:Show on whose word this identity may speak, its roles, and what it may add to the state')
            subs+=('issuer:Show to a member what all whom an issuer'\''s tokens admit did together, and what they may')
            opts+=('--help:Show what it does, and its options.')
            args=() ;;
        ('users bring')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--file=file:A user a line, beside those named')
            opts+=('--timeout=none:Seconds to wait')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(identity+) ;;
        ('users dismiss')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--file=file:A user a line, beside those named')
            opts+=('--timeout=none:Seconds to wait')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(identity+) ;;
        ('users list')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('users standing')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=() ;;
        ('users issuer')
            opts+=('--help:Show what it does, and its options.')
            opts+=('--as=identity:Identity of the folder'\''s keys/')
            opts+=('--timeout=none:Seconds to wait')
            opts+=('--dir=dir:The cluster'\''s folder')
            opts+=('--json:One JSON document on stdout, and nothing else')
            args=(none) ;;
    esac
}

typeset -ga __sr_transactions=(payments.issue payments.issue_many payments.open payments.open_many payments.transfer payments.transfer_many people.present people.withdraw records.append records.restrict rooms.add rooms.advance rooms.answer rooms.close rooms.create rooms.extend rooms.finish rooms.join rooms.keep rooms.leave rooms.open rooms.predict rooms.propose rooms.publish rooms.release rooms.report rooms.run rooms.set_devices rooms.set_terms rooms.take rooms.vote rooms.wait rooms.withdraw rooms.withdraw_data roster.bring roster.dismiss roster.vouch vault.abandon vault.announce vault.approve vault.ask vault.beat vault.change vault.claim_lease vault.confirm vault.destroy vault.end vault.new vault.put vault.release vault.resolve vault.resume vault.revoke vault.rewrap vault.rotate vault.suspend vault.use)
typeset -ga __sr_queries=(payments.balance payments.balances payments.statement payments.supply people.standing records.head records.list records.read records.regions rooms.asked rooms.contract rooms.contracts rooms.data rooms.data_set rooms.devices rooms.events rooms.job rooms.jobs rooms.kept rooms.list rooms.prediction rooms.room rooms.serving rooms.work roster.issuer roster.standing roster.users system.result vault.custodian vault.custodians vault.frozen vault.key vault.keys vault.lease vault.leases vault.records)
typeset -ga __sr_changes=(add_issuer add_issuer_key add_member add_users admit_issuer allow_chip allow_measurement allow_operator allow_region dismiss_issuer forbid_chip forbid_measurement forbid_operator forbid_region grant remove_affiliation remove_country remove_issuer remove_issuer_key remove_member remove_node remove_users revoke revoke_key rotate set_access_regions set_affiliation set_country set_floors set_issuer set_limit set_max_age set_program_regions set_recovery_threshold set_threshold set_weight)

# Arguments of an operation.
__strongroom_arguments() {
    names=()
    case $1 in
        (payments.open) names=('account=') ;;
        (payments.open_many) names=('accounts=') ;;
        (payments.issue) names=('to=' 'amount=') ;;
        (payments.issue_many) names=('issues=') ;;
        (payments.transfer) names=('to=' 'amount=' 'source=' 'memo=') ;;
        (payments.transfer_many) names=('transfers=') ;;
        (payments.balance) names=('account=') ;;
        (payments.balances) names=('after=' 'limit=') ;;
        (payments.statement) names=('account=' 'after=' 'limit=') ;;
        (people.present) names=('issuer=' 'token=') ;;
        (records.append) names=('collection=' 'contents=' 'tags=') ;;
        (records.restrict) names=('collection=' 'regions=') ;;
        (records.regions) names=('collection=') ;;
        (records.read) names=('collection=' 'sequence=') ;;
        (records.list) names=('collection=' 'after=' 'limit=' 'tag=') ;;
        (records.head) names=('collection=') ;;
        (rooms.publish) names=('name=' 'terms=' 'key=') ;;
        (rooms.add) names=('name=' 'root=' 'chunks=' 'size_class=' 'batches=') ;;
        (rooms.extend) names=('name=' 'root=' 'chunks=' 'size_class=' 'batches=') ;;
        (rooms.set_terms) names=('name=' 'terms=') ;;
        (rooms.withdraw_data) names=('data=') ;;
        (rooms.create) names=('terms=') ;;
        (rooms.join) names=('room=') ;;
        (rooms.close) names=('room=') ;;
        (rooms.propose) names=('contract=') ;;
        (rooms.vote) names=('contract=' 'approve=') ;;
        (rooms.withdraw) names=('contract=') ;;
        (rooms.set_devices) names=('name=' 'add=' 'remove=') ;;
        (rooms.wait) names=('evidence=') ;;
        (rooms.run) names=('contract=' 'parameters=') ;;
        (rooms.advance) names=('job=') ;;
        (rooms.take) names=('job=' 'evidence=') ;;
        (rooms.report) names=('job=' 'entries=' 'failed=') ;;
        (rooms.open) names=('job=' 'output=') ;;
        (rooms.release) names=('job=' 'output=' 'approve=') ;;
        (rooms.keep) names=('job=' 'output=' 'name=') ;;
        (rooms.predict) names=('job=' 'row=') ;;
        (rooms.answer) names=('job=' 'answers=') ;;
        (rooms.finish) names=('job=') ;;
        (rooms.kept) names=('roots=') ;;
        (rooms.devices) names=('data=') ;;
        (rooms.asked) names=('job=') ;;
        (rooms.prediction) names=('job=' 'number=') ;;
        (rooms.serving) names=('job=') ;;
        (rooms.list) names=('after=' 'limit=') ;;
        (rooms.room) names=('room=') ;;
        (rooms.contracts) names=('room=' 'after=' 'limit=') ;;
        (rooms.contract) names=('contract=') ;;
        (rooms.jobs) names=('room=' 'after=' 'limit=') ;;
        (rooms.job) names=('job=') ;;
        (rooms.data) names=('owner=' 'after=' 'limit=') ;;
        (rooms.data_set) names=('data=') ;;
        (rooms.events) names=('room=' 'after=' 'limit=') ;;
        (rooms.work) names=('limit=') ;;
        (roster.bring) names=('users=') ;;
        (roster.dismiss) names=('users=') ;;
        (roster.vouch) names=('room=') ;;
        (roster.issuer) names=('issuer=') ;;
        (roster.users) names=('after=' 'limit=') ;;
        (system.result) names=('id=') ;;
        (vault.change) names=('key=' 'policy=' 'quantity=' 'window_from_ms=' 'window_until_ms=' 'heartbeat_ms=' 'lease_ms=' 'allotment=' 'delay_ms=' 'approvers=' 'threshold=' 'custodian=') ;;
        (vault.approve) names=('change=') ;;
        (vault.new) names=('name=' 'policy=' 'custody=' 'custodian=' 'approvers=' 'threshold=' 'quantity=' 'window_from_ms=' 'window_until_ms=' 'heartbeat_ms=' 'lease_ms=' 'allotment=' 'pieces=' 'delay_ms=') ;;
        (vault.put) names=('key=' 'secret=' 'wrapped=' 'digest=') ;;
        (vault.rotate) names=('key=' 'secret=' 'wrapped=' 'digest=' 'old_until_ms=') ;;
        (vault.suspend) names=('key=') ;;
        (vault.resume) names=('key=') ;;
        (vault.revoke) names=('key=') ;;
        (vault.destroy) names=('key=') ;;
        (vault.confirm) names=('key=') ;;
        (vault.announce) names=('endpoint=' 'customer=') ;;
        (vault.resolve) names=('key=' 'room=' 'keep=' 'session=' 'machine=') ;;
        (vault.ask) names=('key=' 'purpose=' 'evidence=' 'room=') ;;
        (vault.beat) names=('lease=' 'number=' 'used=' 'reserve=' 'piece=' 'evidence=') ;;
        (vault.use) names=('lease=' 'unit=' 'digest=') ;;
        (vault.end) names=('lease=' 'used=') ;;
        (vault.abandon) names=('key=' 'chip=' 'received=') ;;
        (vault.claim_lease) names=('lease=') ;;
        (vault.release) names=('lease=' 'digest=') ;;
        (vault.rewrap) names=('key=' 'wrapped=' 'digest=') ;;
        (vault.custodian) names=('identity=') ;;
        (vault.custodians) names=('after=' 'limit=') ;;
        (vault.keys) names=('owner=' 'after=' 'limit=') ;;
        (vault.key) names=('key=') ;;
        (vault.frozen) names=('key=' 'room=' 'machine=' 'limit=') ;;
        (vault.leases) names=('key=' 'after=' 'limit=') ;;
        (vault.lease) names=('lease=') ;;
        (vault.records) names=('key=' 'after=' 'limit=' 'refusals=' 'mistakes=') ;;
    esac
}

# What an option takes: the kind of its value in __sr_kind, nothing for a flag; fails if unknown.
__strongroom_option() {
    local one
    for one in $opts; do
        if [[ ${one%%[=:]*} == "$1" ]]; then
            __sr_kind=''
            [[ $one == -[^:]#=* ]] && __sr_kind=${${one#*=}%%:*}
            return 0
        fi
    done
    return 1
}

# Candidates of a kind.
__strongroom_value() {
    local -a answers
    case $1 in
        words,*) answers=(${(s:,:)1#words,}); compadd -- $answers ;;
        file) _files ;;
        dir) _files -/ ;;
        transaction) compadd -- $__sr_transactions ;;
        query) compadd -- $__sr_queries ;;
        change) compadd -- $__sr_changes ;;
        arguments)
            __strongroom_arguments "$__sr_operation"
            compadd -S '' -- $names ;;
        node|identity|id)
            answers=("${(@f)$(command strongroom _complete "$1" "$__sr_dir" "${(Q)PREFIX}" 2>/dev/null)}")
            answers=(${answers:#})
            compadd -- $answers ;;
    esac
}

_strongroom() {
    emulate -L zsh
    setopt extendedglob
    local -a subs opts args names shown
    local one path_='' expecting='' literal='' __sr_kind='' __sr_dir='' __sr_operation=''
    local -i position=0
    __strongroom_table ''
    for one in "${(@)words[2,CURRENT-1]}"; do
        one=${(Q)one}
        if [[ -n $expecting ]]; then
            [[ $expecting == --dir ]] && __sr_dir=$one
            expecting=''
        elif [[ -z $literal && $one == -- ]]; then literal=1
        elif [[ -z $literal && $one == --dir=* ]]; then __sr_dir=${one#--dir=}
        elif [[ -z $literal && $one == -?* ]]; then
            __strongroom_option "$one" && [[ -n $__sr_kind ]] && expecting=$one
        elif (( ${subs[(I)${(b)one}:*]} )); then
            path_="${path_:+$path_ }$one"
            __strongroom_table "$path_"
        else
            (( position == 0 )) && __sr_operation=$one
            (( position++ ))
        fi
    done
    [[ $__sr_dir == '~/'* ]] && __sr_dir=$HOME/${__sr_dir#'~/'}
    if [[ -n $expecting ]]; then
        __strongroom_option "$expecting"
        __strongroom_value "$__sr_kind"
    elif [[ -z $literal && $PREFIX == --*=* ]]; then
        __strongroom_option "${PREFIX%%=*}" && compset -P '--[^=]#=' && __strongroom_value "$__sr_kind"
    elif [[ -z $literal && $PREFIX == -* ]]; then
        for one in $opts; do shown+=("${one%%[=:]*}:${one#*:}"); done
        _describe -o option shown
    elif (( $#subs )); then
        _describe command subs
    else
        while (( $#args > 1 && position > 0 )); do shift args; (( position-- )); done
        [[ ${args[1]:-} == *+ || $position == 0 ]] && __strongroom_value "${${args[1]:-}%+}"
    fi
}

if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
    _strongroom "$@"
else
    compdef _strongroom strongroom
fi
