# fish completion of strongroom. Written by ./scripts/reference from the commands: do not edit.
#
#   strongroom completion fish | source
#
# Words and options stand here; names that change are asked of `strongroom _complete`. Nothing that is
# typed or answered is evaluated: no eval, no program but `strongroom` from PATH.

# Words behind a command: NAME, a tab, HELP; options have their KIND between.
function __strongroom_table
    set -g __sr_subs
    set -g __sr_opts
    set -g __sr_args
    switch "$argv[1]"
        case ''
            set -a __sr_subs call\t'One transaction'
            set -a __sr_subs query\t'One sealed query on executed state'
            set -a __sr_subs receipt\t'Fetch a transaction\'s receipt, verify it against the pin, write it to a file'
            set -a __sr_subs trust\t'Say what is promised, what it rests on, and exactly which code must be trusted for it'
            set -a __sr_subs bench\t'Measure sealed transactions on a cluster of its own on this machine'
            set -a __sr_subs completion\t'Print what lets a shell complete words'
            set -a __sr_subs cluster\t'A cluster of real node processes on this machine, in one folder (attestation is SIMULATED)'
            set -a __sr_subs node\t'One node, on its own machine'
            set -a __sr_subs found\t'Found a service between organisations, by files that they exchange'
            set -a __sr_subs keys\t'Identities'
            set -a __sr_subs custodian\t'The customer\'s process beside an HSM'
            set -a __sr_subs verify\t'Offline checks, against nothing but a pin'
            set -a __sr_subs explorer\t'The block explorer'
            set -a __sr_subs gov\t'Governance'
            set -a __sr_subs admin\t'Privileged access'
            set -a __sr_subs attest\t'Evidence of running nodes (says SIMULATED where no silicon stands behind)'
            set -a __sr_subs vault\t'Keys that only attested rooms may use, while their owner agrees'
            set -a __sr_subs room\t'Rooms'
            set -a __sr_subs rooms\t'Clean rooms'
            set -a __sr_subs data\t'Data sets of clean rooms'
            set -a __sr_subs residency\t'Where keys could be opened, and by whose word'
            set -a __sr_subs people\t'People'
            set -a __sr_subs recover\t'Shares of the key to the ledger, among members'
            set -a __sr_subs users\t'Users of the service'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder, for commands that read one'
            set -a __sr_opts --version\t\t'Print the version'
        case 'call'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --wait\twords,none,commit,receipt\t'What to wait for'
            set -a __sr_opts --recorded\t\t'A query, sent as a transaction'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args transaction arguments+
        case 'query'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --at-least\tnone\t'By default the newest you have seen'
            set -a __sr_opts --linearizable\t\t'After all that is final now, as a quorum knows it'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args query arguments+
        case 'receipt'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts -o\tfile\t'Where to; TXID.receipt.json by default'
            set -a __sr_opts --output\tfile\t'Where to; TXID.receipt.json by default'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args id
        case 'trust'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --files\t\t'List the files of libraries too'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'bench'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --nodes\tnone\t'Replicas'
            set -a __sr_opts --clients\tnone\t'Clients, each with a session of its own'
            set -a __sr_opts --rate\twords,max\t'Payments a second in all (open loop), or max'
            set -a __sr_opts --seconds\tnone\t'Measured time; 10 by default, vault 30'
            set -a __sr_opts --warmup\tnone\t'Load before it is measured, in seconds'
            set -a __sr_opts --size\tnone\t'Payments'
            set -a __sr_opts --program\tnone\t'What is called'
            set -a __sr_opts --rooms\tnone\t'Vault'
            set -a __sr_opts --beat\tnone\t'Vault'
            set -a __sr_opts --full\t\t'Rooms'
            set -a __sr_opts --processes\tnone\t'Load processes'
            set -a __sr_opts --outstanding\tnone\t'Per client, in a closed loop'
            set -a __sr_opts --one-shot\t\t'A session for each payment'
            set -a __sr_opts --suite\t\t'All rows of the README\'s table, one after the other'
            set -a __sr_opts --soak\t\t'Ten minutes at 3,000 a second'
            set -a __sr_opts --profile\tfile\t'Write flame graphs of a host and an enclave'
            set -a __sr_opts --markdown\t\t'The result as a table for a document'
            set -a __sr_opts --compare\tnone\t'A suite\'s JSON from before'
            set -a __sr_opts --repeat\tnone\t'Measure so often'
            set -a __sr_opts --peer\twords,etcd\t'Measure this machine\'s etcd beside it; its ratios'
            set -a __sr_opts --tables\tnone\t'Suite'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'completion'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args words,bash,zsh,fish
        case 'cluster'
            set -a __sr_subs up\t'Start a cluster'
            set -a __sr_subs status\t'Show each node'
            set -a __sr_subs down\t'Stop every node; leaves no process'
            set -a __sr_subs stop\t'Stop one node in an orderly way'
            set -a __sr_subs start\t'Start one node; returns when its host answers, with --wait when it votes again'
            set -a __sr_subs kill\t'End one node\'s host and enclave with SIGKILL, as a crash would; returns when both are gone'
            set -a __sr_subs add\t'Add a node'
            set -a __sr_subs remove\t'Remove a node'
            set -a __sr_subs logs\t'Show the end of one node\'s log'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'cluster up'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --nodes\tnone\t'How many nodes to make (default 4)'
            set -a __sr_opts --base-port\tnone\t'Node i serves on base+i; 0 picks free ports (default 7400)'
            set -a __sr_opts --port-stride\tnone\t'Node i talks to peers on base+stride+i'
            set -a __sr_opts --epoch-blocks\tnone\t'A new cluster\'s epochs end after N blocks (0'
            set -a __sr_opts --recovery\tnone\t'Members keep shares, of which K open the ledger after a disaster (default'
            set -a __sr_opts --archive\tdir\t'Closed segments of the ledger go there'
            set -a __sr_opts --archive-after\tnone\t'So much of the ledger stays in a node\'s folder'
            set -a __sr_opts --detach\t\t'Return when the service answers'
            set -a __sr_opts -d\t\t'Return when the service answers'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'cluster status'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'cluster down'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'cluster stop'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args node
        case 'cluster start'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --wait\t\t'Return when it votes'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args node
        case 'cluster kill'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args node
        case 'cluster add'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --region\tnone\t'Where it stands; one that is allowed'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'cluster remove'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args node
        case 'cluster logs'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --follow\t\t'Go on with what is appended, until Ctrl-C'
            set -a __sr_opts -f\t\t'Go on with what is appended, until Ctrl-C'
            set -a __sr_opts --lines\tnone\t'How many last lines'
            set -a __sr_opts -n\tnone\t'How many last lines'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args node
        case 'node'
            set -a __sr_subs init\t'Make a node\'s folder'
            set -a __sr_subs admit\t'Admit an organisation at this node\'s door'
            set -a __sr_subs run\t'Run a node\'s host in the foreground, until SIGTERM or Ctrl-C; or check configuration, folder, disk, ports, keys, evidence, pin, names and clock'
            set -a __sr_subs join\t'Prepare a node that is to join a running service, and print what members must allow before'
            set -a __sr_subs health\t'Ask the node of this folder whether it takes part; exit 0 when it does, 1 when not yet, 3 when it does not answer'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'node init'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --rpc\tnone\t'Where it listens for clients'
            set -a __sr_opts --peer\tnone\t'Where it listens for other nodes'
            set -a __sr_opts --announce-rpc\tnone\t'What clients are told, if it differs'
            set -a __sr_opts --announce-peer\tnone\t'What other nodes are told, if it differs'
            set -a __sr_opts --health\tnone\t'Where health and metrics are, too'
            set -a __sr_opts --operator\tnone\t'Who runs it'
            set -a __sr_opts --member\tnone\t'Who governs for it (default'
            set -a __sr_opts --region\tnone\t'Where it stands; with --operator'
            set -a __sr_opts --country\tnone\t'In which country that is, two capital letters'
            set -a __sr_opts --platform\tdir\t'The SIMULATED maker of its chip (default'
            set -a __sr_opts --with\tnone\t'Another member; repeat for each'
            set -a __sr_opts --genesis\tfile\t'Genesis of the chain (default'
            set -a __sr_opts --archive\tdir\t'Closed segments of the ledger go there'
            set -a __sr_opts --archive-after\tnone\t'So much of the ledger stays in a node\'s folder'
            set -a __sr_opts --check\t\t'Write nothing'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args dir
        case 'node admit'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --config\tfile\t'The node\'s TOML configuration'
            set -a __sr_opts -o\tfile\t'Where its credential goes (mode 0600)'
            set -a __sr_opts --card\tfile\t'Its card'
            set -a __sr_opts --weight\tnone\t'Its share beside the others\''
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'node run'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --config\tfile\t'The node\'s TOML configuration'
            set -a __sr_opts --check\t\t'Look whether it would run here, and start nothing'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'node join'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --pin\tnone\t'The service\'s, for a node of `node init`'
            set -a __sr_opts --at\tnone\t'Where one of its nodes serves clients'
            set -a __sr_opts --operator\tnone\t'Local cluster'
            set -a __sr_opts --region\tnone\t'Local cluster'
            set -a __sr_opts --rpc\tnone\t'Local cluster'
            set -a __sr_opts --peer\tnone\t'Local cluster'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'node health'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --config\tfile\t'The node\'s TOML configuration'
            set -a __sr_opts --live\t\t'Only whether its process answers, not whether it votes'
            set -a __sr_opts --timeout\tnone\t'Seconds'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'found'
            set -a __sr_subs propose\t'Propose a service of the organisations whose cards are given'
            set -a __sr_subs show\t'Show what files of a ceremony say, believing nothing in them'
            set -a __sr_subs check\t'Check everything that is here of the others, and print what accepting would sign'
            set -a __sr_subs accept\t'Have this node\'s enclave answer a proposal, once every card in it is the one that its organisation gave you itself; sign that'
            set -a __sr_subs make\t'Make the genesis of all acceptances'
            set -a __sr_subs confirm\t'Check the genesis against your own copies of all acceptances, have the enclave take its secret, and sign that you begin with this one'
            set -a __sr_subs seal\t'Finish, once everybody confirmed the same genesis'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'found propose'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --name\tnone\t'The service\'s'
            set -a __sr_opts -o\tfile\t'Where the file for the others goes'
            set -a __sr_opts --issuer\tidentity\t'Who issues payments; repeat for more'
            set -a __sr_opts --limit\tnone\t'A limit unlike its default'
            set -a __sr_opts --member\tnone\t'A member that runs no node'
            set -a __sr_opts --user\tnone\t'Id of a first user of the roster'
            set -a __sr_opts --max-age-hours\tnone\t'How old evidence may be'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file+
        case 'found show'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file+
        case 'found check'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --node\tnone\t'Which node of the folder, if it has several'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file+
        case 'found accept'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts -o\tfile\t'Where the file for the others goes'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --node\tnone\t'Which node of the folder, if it has several'
            set -a __sr_opts --instead\t\t'Give up another proposal that was accepted, for good'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file+
        case 'found make'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts -o\tfile\t'Where the file for the others goes'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --node\tnone\t'Which node of the folder, if it has several'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file+
        case 'found confirm'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts -o\tfile\t'Where the file for the others goes'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --node\tnone\t'Which node of the folder, if it has several'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file+
        case 'found seal'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --node\tnone\t'Which node of the folder, if it has several'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file+
        case 'keys'
            set -a __sr_subs new\t'Make an identity; its key file is for its owner only (mode 0600)'
            set -a __sr_subs list\t'List the identities of this folder'
            set -a __sr_subs show\t'Show what anyone may know of one identity'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'keys new'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --passphrase\t\t'Seal the key file; asks, or takes STRONGROOM_PASSPHRASE'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'keys list'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'keys show'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args identity
        case 'custodian'
            set -a __sr_subs init\t'Make a key inside the HSM that never leaves it, and the custodian\'s folder'
            set -a __sr_subs check\t'Show what the HSM can do, and whether its key is the one that `init` made'
            set -a __sr_subs announce\t'Say on the ledger where rooms ask this custodian, and under which certificate'
            set -a __sr_subs run\t'Answer rooms until Ctrl-C'
            set -a __sr_subs journal\t'Verify the whole journal, and show it'
            set -a __sr_subs put\t'Give a key of custody split or hsm its secret, beside its HSM, and seal a file under it'
            set -a __sr_subs exchange\t'Check that an exchange key is an import room\'s own, for that key of yours alone, and write it for the HSM\'s tool'
            set -a __sr_subs rewrap\t'Put what a room imported in place of a split key\'s data key'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'custodian init'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --customer\tnone\t'Whose HSM it is'
            set -a __sr_opts --module\tfile\t'The vendor\'s PKCS#11 module'
            set -a __sr_opts --token\tnone\t'The token\'s label'
            set -a __sr_opts --dir\tdir\t'The custodian\'s folder'
            set -a __sr_opts --serial\tnone\t'Its serial number, where two have one label'
            set -a __sr_opts --form\twords,hmac,ecdh\t'How halves are made; by default as the token can'
            set -a __sr_opts --label\tnone\t'The key\'s label'
            set -a __sr_opts --service\tfile\t'The service.json'
            set -a __sr_opts --as\tidentity\t'The custodian\'s identity'
            set -a __sr_opts --listen\tnone\t'Where rooms ask'
            set -a __sr_opts --env\tnone\t'A variable that the module wants'
            set -a __sr_opts --pin-file\tfile\t'The HSM\'s PIN, in a file of mode 0600'
            set -a __sr_opts --pin-fd\tnone\t'The HSM\'s PIN, from an open descriptor'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'custodian check'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The custodian\'s folder'
            set -a __sr_opts --pin-file\tfile\t'The HSM\'s PIN, in a file of mode 0600'
            set -a __sr_opts --pin-fd\tnone\t'The HSM\'s PIN, from an open descriptor'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'custodian announce'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The custodian\'s folder'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'custodian run'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The custodian\'s folder'
            set -a __sr_opts --listen\tnone\t'Instead of the settings\''
            set -a __sr_opts --plain\t\t'HTTP without TLS, for a proxy that has its own'
            set -a __sr_opts --pin-file\tfile\t'The HSM\'s PIN, in a file of mode 0600'
            set -a __sr_opts --pin-fd\tnone\t'The HSM\'s PIN, from an open descriptor'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'custodian journal'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The custodian\'s folder'
            set -a __sr_opts --after\tnone\t'Show entries after this one'
            set -a __sr_opts --limit\tnone\t'At most so many'
            set -a __sr_opts --compare\t\t'Look for every release that the ledger has'
            set -a __sr_opts --key\tnone\t'Also of a key that is not in it'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'custodian put'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --owner\tnone\t'Whose key it is'
            set -a __sr_opts --dir\tdir\t'The custodian\'s folder'
            set -a __sr_opts --digest\tnone\t'Of the container sealed under it'
            set -a __sr_opts --pieces\twords,layers\t'Where the file is cut'
            set -a __sr_opts --out\tfile\t'The container; FILE.sealed'
            set -a __sr_opts -o\tfile\t'The container; FILE.sealed'
            set -a __sr_opts --for-import\t\t'A data key that nobody keeps'
            set -a __sr_opts --rotate\t\t'Make the next version of a key that has one'
            set -a __sr_opts --old-until-ms\tnone\t'With --rotate'
            set -a __sr_opts --pin-file\tfile\t'The HSM\'s PIN, in a file of mode 0600'
            set -a __sr_opts --pin-fd\tnone\t'The HSM\'s PIN, from an open descriptor'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none file
        case 'custodian exchange'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --key\tnone\t'Into which split key of yours'
            set -a __sr_opts --dir\tdir\t'The custodian\'s folder'
            set -a __sr_opts --out\tfile\t'The exchange key, in PEM'
            set -a __sr_opts -o\tfile\t'The exchange key, in PEM'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'custodian rewrap'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --owner\tnone\t'Whose key it is'
            set -a __sr_opts --dir\tdir\t'The custodian\'s folder'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'verify'
            set -a __sr_subs receipt\t'Verify a receipt offline'
            set -a __sr_subs ledger\t'Verify all files of a ledger offline'
            set -a __sr_subs archive\t'Compare every archived segment with its SHA-256 in archive.json, offline'
            set -a __sr_subs residency\t'Recompute offline where keys could be opened, in which epoch, and who vouches'
            set -a __sr_subs misbehaviour\t'Judge two files that contradict each other'
            set -a __sr_subs page\t'Write a page that checks receipts in a browser, offline, as verify receipt does'
            set -a __sr_subs evidence\t'Verify attestation evidence offline'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'verify receipt'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --service\tnone\t'The service\'s pin (sr1-…); without it, no verdict'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'verify ledger'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --service\tnone\t'The service\'s pin (sr1-…); without it, no verdict'
            set -a __sr_opts --at-least\twords,latest\t'Known to be final'
            set -a __sr_opts --genesis\tfile\t'By default genesis.bin beside the folder'
            set -a __sr_opts --archive\tdir\t'Where older segments are (default'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args dir
        case 'verify archive'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args dir
        case 'verify residency'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --service\tnone\t'The service\'s pin (sr1-…); without it, no verdict'
            set -a __sr_opts --at-least\twords,latest\t'Known to be final'
            set -a __sr_opts --ledger\tdir\t'A node\'s ledger'
            set -a __sr_opts --genesis\tfile\t'By default genesis.bin beside the folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'verify misbehaviour'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --service\tnone\t'The service\'s pin (sr1-…); without it, no verdict'
            set -a __sr_opts -o\tfile\t'Write a proof that holds both'
            set -a __sr_opts --output\tfile\t'Write a proof that holds both'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file+
        case 'verify page'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts -o\tfile\t'Where to'
            set -a __sr_opts --output\tfile\t'Where to'
            set -a __sr_opts --force\t\t'Replace a file that is there'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'verify evidence'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --cases\tfile\t'Judge all of a file\'s cases; paths relative to it'
            set -a __sr_opts --policy\twords,strict\t'What is demanded'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'explorer'
            set -a __sr_subs status\t'The service and each of its nodes'
            set -a __sr_subs search\t'What this names'
            set -a __sr_subs blocks\t'The newest blocks, or a range of at most 100'
            set -a __sr_subs block\t'One block'
            set -a __sr_subs tx\t'One transaction'
            set -a __sr_subs verify\t'Check the chain that a node shows, from block H down to genesis, against the pin'
            set -a __sr_subs nodes\t'Validators and other registered nodes, with the verdict over each one\'s evidence, and proven offences'
            set -a __sr_subs members\t'The members who govern, and their roles in programs'
            set -a __sr_subs proposals\t'Members\' proposals, newest first'
            set -a __sr_subs epochs\t'The succession of epochs'
            set -a __sr_subs regions\t'Regions that members know'
            set -a __sr_subs recovery\t'Who holds shares of the key to the ledger, which generations there are, and what is wrong'
            set -a __sr_subs grants\t'Privileged access'
            set -a __sr_subs region-rules\t'From where people may call, as members voted'
            set -a __sr_subs keys\t'Keys of an owner that you may read'
            set -a __sr_subs leases\t'The newest leases of each key of an owner'
            set -a __sr_subs custodians\t'Custodians that announced themselves or that an owner\'s keys name, and what hangs on each'
            set -a __sr_subs rooms\t'The clean rooms of which you are a party or an auditor'
            set -a __sr_subs room\t'One clean room on one page'
            set -a __sr_subs contracts\t'A clean room\'s contracts, in the order in which they were proposed'
            set -a __sr_subs job\t'One job'
            set -a __sr_subs users\t'Who may open sessions'
            set -a __sr_subs watch\t'The service live'
            set -a __sr_subs web\t'The explorer as a web page on this machine, until Ctrl-C'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'explorer status'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'explorer search'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none+
        case 'explorer blocks'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --from\twords,latest\t'First height'
            set -a __sr_opts --to\twords,latest\t'Last height; latest without it'
            set -a __sr_opts --limit\tnone\t'How many, without --from'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'explorer block'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Open what this identity of keys/ may open'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args words,latest
        case 'explorer tx'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Open what this identity of keys/ may open'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args id
        case 'explorer verify'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args words,latest
        case 'explorer nodes'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'explorer members'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'explorer proposals'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'explorer epochs'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'explorer regions'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'explorer recovery'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'explorer grants'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'explorer region-rules'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'explorer keys'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args identity
        case 'explorer leases'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args identity
        case 'explorer custodians'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args identity
        case 'explorer rooms'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'explorer room'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --newest\tnone\t'Contracts, jobs and events, of each so many'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'explorer contracts'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --after\tnone\t'Those behind this number'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'explorer job'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'explorer users'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --field\tnone\t'One field of the JSON alone, like anchor.height or 0.id'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'explorer watch'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --plain\t\t'A line per event, nothing redrawn; so it is where there is no terminal'
            set -a __sr_opts --seconds\tnone\t'End after so long, with --plain'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'explorer web'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --port\tnone\t'0 picks a free one'
            set -a __sr_opts --open\t\t'Open the page in this machine\'s browser'
            set -a __sr_opts --from-ledger\tdir\t'Read the ledger\'s files in a node\'s folder instead of asking nodes'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'gov'
            set -a __sr_subs simulate\t'Try changes on the rules of now, by the enclave\'s own code'
            set -a __sr_subs propose\t'Propose a change, or several that take effect together or not at all; the proposer\'s own yes is counted'
            set -a __sr_subs vote\t'Vote on a proposal'
            set -a __sr_subs withdraw\t'Take back one\'s own open proposal'
            set -a __sr_subs show\t'Show proposals'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'gov simulate'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --file\tnone\t'A TOML file of [[changes]], instead of words'
            set -a __sr_opts --proposal\tnone\t'The changes and ballots of a proposal'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args change+
        case 'gov propose'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --file\tnone\t'A TOML file of [[changes]], instead of words'
            set -a __sr_opts --lifetime\tnone\t'Seconds in which it must be decided; else the limit'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args change+
        case 'gov vote'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none words,yes,no
        case 'gov withdraw'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'gov show'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'admin'
            set -a __sr_subs ask\t'Ask for privileged access, for the operator that members say you act for'
            set -a __sr_subs approve\t'Say yes, to exactly what is shown; a member who acts for another operator than the asker'
            set -a __sr_subs deny\t'Say no'
            set -a __sr_subs review\t'Say that you have looked at an emergency that was used; until enough have, nobody may ask once 72 hours are over'
            set -a __sr_subs revoke\t'Take a grant back'
            set -a __sr_subs begin\t'Begin one operation at one node, once'
            set -a __sr_subs finish\t'Report what came of a begin, within an hour; a role ends with it'
            set -a __sr_subs list\t'Show grants, events and alarms, as one node tells them'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'admin ask'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --reason\tnone\t'20 characters or more'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --node\tnode\t'Where; may be repeated'
            set -a __sr_opts --for\tnone\t'From the first begin on, like 30m'
            set -a __sr_opts --claim-by\tnone\t'To be begun within, like 2h'
            set -a __sr_opts --emergency\t\t'One approver, at most 1h, an alarm, to be reviewed'
            set -a __sr_opts --wait\t\t'Until it is approved (0) or not (1)'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none+
        case 'admin approve'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'admin deny'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'admin review'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'admin revoke'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'admin begin'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/ that asked'
            set -a __sr_opts --node\tnode\t'Name of the node'
            set -a __sr_opts --measurement\tnone\t'Of an upgrade'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none none
        case 'admin finish'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --outcome\tnone\t'What came of it, in a line'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/ that asked'
            set -a __sr_opts --node\tnode\t'Name of the node'
            set -a __sr_opts --file\tfile\t'Its SHA-256 goes on record, like of a log'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none none
        case 'admin list'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --wait\t\t'With ID'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'attest'
            set -a __sr_subs show\t'Ask a node for fresh evidence, check it against the pin in the folder\'s service.json, say it in words'
            set -a __sr_subs verify\t'Verify a running node against a pin that you bring'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'attest show'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args node
        case 'attest verify'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --service\tnone\t'The service\'s pin (sr1-…); without it, no verdict'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args node
        case 'vault'
            set -a __sr_subs new\t'Make a key'
            set -a __sr_subs change\t'Change a key\'s terms'
            set -a __sr_subs put\t'Seal a file under a new data key and give that to the ledger; the key becomes active'
            set -a __sr_subs rotate\t'Give a key its next version, with a new data key and a new container'
            set -a __sr_subs suspend\t'Stop a key for a while'
            set -a __sr_subs resume\t'Let a suspended key be used again'
            set -a __sr_subs revoke\t'Stop a key, or one version of it, for good'
            set -a __sr_subs destroy\t'Revoke, and leave nothing of the secret behind'
            set -a __sr_subs confirm\t'Let a key be used again that lived in an epoch which ended as compromised; else rotate it'
            set -a __sr_subs approve\t'Consent to a change of a key that names you as an approver'
            set -a __sr_subs resolve\t'Say which of two starts of one room is yours, after both were frozen as clones'
            set -a __sr_subs end\t'End a lease of a key of yours'
            set -a __sr_subs keys\t'List keys that you may read'
            set -a __sr_subs show\t'Show one key'
            set -a __sr_subs leases\t'List the leases of a key, or of all your keys; with --watch tell each ask, refusal, beat, use and end as it comes (with --json a document a line)'
            set -a __sr_subs lease\t'Show one lease, and what its room could still do if you revoked the key now'
            set -a __sr_subs records\t'Show what happened to a key, what was refused, or which calls were wrong in themselves, with the digest of the chain over it all'
            set -a __sr_subs policy\t'Release policies'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'vault new'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --policy\tfile\t'Release policy (JSON)'
            set -a __sr_opts --pieces\tnone\t'Given one by one; 0'
            set -a __sr_opts --quantity\tnone\t'Units in all; 0'
            set -a __sr_opts --from\tnone\t'ISO 8601, in UTC; not before it'
            set -a __sr_opts --until\tnone\t'Not after it; `open` for no end'
            set -a __sr_opts --approver\tnone\t'Who consents to loosening; may be repeated'
            set -a __sr_opts --threshold\tnone\t'How many of them; all, if not given'
            set -a __sr_opts --heartbeat\tnone\t'How often a room reports'
            set -a __sr_opts --lease\tnone\t'How long it goes on unheard'
            set -a __sr_opts --allotment\tnone\t'Units that a lease may hold unused'
            set -a __sr_opts --delay\tnone\t'How long a loosening waits'
            set -a __sr_opts --custody\twords,ledger,split,hsm\t'Who can open it'
            set -a __sr_opts --custodian\tnone\t'Whose HSM holds the other half'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'vault change'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --policy\tfile\t'Release policy (JSON)'
            set -a __sr_opts --quantity\tnone\t'Units in all; 0'
            set -a __sr_opts --from\tnone\t'ISO 8601, in UTC; not before it'
            set -a __sr_opts --until\tnone\t'Not after it; `open` for no end'
            set -a __sr_opts --approver\tnone\t'Who consents to loosening; may be repeated'
            set -a __sr_opts --threshold\tnone\t'How many of them; all, if not given'
            set -a __sr_opts --heartbeat\tnone\t'How often a room reports'
            set -a __sr_opts --lease\tnone\t'How long it goes on unheard'
            set -a __sr_opts --allotment\tnone\t'Units that a lease may hold unused'
            set -a __sr_opts --delay\tnone\t'How long a loosening waits'
            set -a __sr_opts --custodian\tnone\t'Whose HSM holds the other half'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'vault put'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --pieces\twords,layers\t'Where the file is cut'
            set -a __sr_opts --out\tfile\t'The container; FILE.sealed'
            set -a __sr_opts -o\tfile\t'The container; FILE.sealed'
            set -a __sr_opts --passphrase\t\t'Seal the data key\'s file with a passphrase'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none file
        case 'vault rotate'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --old-for\tnone\t'How long the old one opens; 0'
            set -a __sr_opts --pieces\twords,layers\t'Where the file is cut'
            set -a __sr_opts --out\tfile\t'The container; FILE.sealed'
            set -a __sr_opts -o\tfile\t'The container; FILE.sealed'
            set -a __sr_opts --passphrase\t\t'Seal the data key\'s file with a passphrase'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none file
        case 'vault suspend'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'vault resume'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'vault revoke'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --yes\t\t'Do not ask'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'vault destroy'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --yes\t\t'Do not ask'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'vault confirm'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'vault approve'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'vault resolve'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --keep\tnone\t'Which start stays'
            set -a __sr_opts --room\tnone\t'Which room'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --session\tnone\t'Of two with one boot'
            set -a __sr_opts --machine\tnone\t'Of several with such a room'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'vault end'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'vault keys'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --after\tnone\t'Names behind this one'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args identity
        case 'vault show'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'vault leases'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --watch\t\t'Tell what happens, a line each, until Ctrl-C'
            set -a __sr_opts --every\tnone\t'How often to look'
            set -a __sr_opts --last\tnone\t'Records from before, first'
            set -a __sr_opts --for\tnone\t'End by itself after this'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'vault lease'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'vault records'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --after\tnone\t'Records behind this number'
            set -a __sr_opts --refusals\t\t'What was refused'
            set -a __sr_opts --mistakes\t\t'Which calls were wrong in themselves'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'vault policy'
            set -a __sr_subs check\t'Check that a file is a release policy, as the ledger will when a key is made; says on stderr what you may not have meant'
            set -a __sr_subs explain\t'Judge claims, or a room\'s evidence, by a policy as a dry run, and print each condition'
            set -a __sr_subs diff\t'Show claims that NEW would release and OLD would not, and the other way round; exact, for all claims (needs the extra `policy`'
            set -a __sr_subs import\t'Take over a policy of Azure Secure Key Release'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'vault policy check'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'vault policy explain'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --claims\tfile\t'A JSON object'
            set -a __sr_opts --evidence\tfile\t'A room\'s evidence, its bytes'
            set -a __sr_opts --operator\tnone\t'With --evidence'
            set -a __sr_opts --country\tnone\t'With --evidence'
            set -a __sr_opts --age-ms\tnone\t'With --evidence'
            set -a __sr_opts --time-ms\tnone\t'With --evidence'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'vault policy diff'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file file
        case 'vault policy import'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --authority\tnone\t'What an authority vouches for'
            set -a __sr_opts --instead\tnone\t'A condition of ours (JSON) for a claim of Azure that has no counterpart'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'room'
            set -a __sr_subs measure\t'Print the measurement of a room with this program'
            set -a __sr_subs chip\t'Make a SIMULATED chip of the cluster\'s manufacturer'
            set -a __sr_subs run\t'Run a room until its program ends or a lease is refused; with --json one document a line for each event'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'room measure'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --files\t\t'A line for each measured file'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'room chip'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args dir
        case 'room run'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --name\tnone\t'The room\'s name'
            set -a __sr_opts --chip\tdir\t'Folder of its chip'
            set -a __sr_opts --region\tnone\t'Where it stands, by your word'
            set -a __sr_opts --operator\tnone\t'Your name as its operator'
            set -a __sr_opts --as\tidentity\t'Whose key signs for this room'
            set -a __sr_opts --service\tnone\t'service.json, or its folder'
            set -a __sr_opts --state\tdir\t'Its sealed state; by default beside the chip'
            set -a __sr_opts --file\tnone\t'A file that it may read; repeatable'
            set -a __sr_opts --set\tnone\t'A word to its program; repeatable'
            set -a __sr_opts --jobs\tnone\t'End after so many (`analytics`); 0'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'rooms'
            set -a __sr_subs create\t'Make a clean room of these terms'
            set -a __sr_subs join\t'Join a clean room whose terms name you; its id is the digest of its terms, so read them first'
            set -a __sr_subs show\t'Show one clean room'
            set -a __sr_subs events\t'Show what happened in a clean room, with the digest of the chain over it all'
            set -a __sr_subs close\t'Close a clean room, as one of its owners'
            set -a __sr_subs list\t'List the clean rooms of which you are a party'
            set -a __sr_subs propose\t'Propose a contract'
            set -a __sr_subs vote\t'Consent to a contract, or not, as a party of its room'
            set -a __sr_subs withdraw\t'Withdraw a contract, as an owner of one of its inputs, at once and alone'
            set -a __sr_subs contracts\t'List a clean room\'s contracts, in the order in which they were proposed'
            set -a __sr_subs contract\t'Show one contract whole'
            set -a __sr_subs run\t'Run an approved contract'
            set -a __sr_subs jobs\t'List a clean room\'s jobs, in the order in which they were run'
            set -a __sr_subs job\t'Show one job'
            set -a __sr_subs release\t'Consent, as a party, to the opening of one output of one job, or not'
            set -a __sr_subs keep\t'Make an output an asset of its room, for contracts that use it'
            set -a __sr_subs open\t'Open a result as one of its recipients'
            set -a __sr_subs cost\t'Show what a run of a contract would charge; of your own data sets, what is left too'
            set -a __sr_subs verify\t'Verify offline what the receipt of an opening proves'
            set -a __sr_subs predict\t'Ask a serving what its model tells of a row'
            set -a __sr_subs serving\t'Show a job that answers rows'
            set -a __sr_subs check\t'Judge a query by the rules S1 to S12, then run it over mock rows made from the schema; or run reviewed Python over such rows in a cell with a job\'s bounds (needs the extra `rooms`)'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'rooms create'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'rooms join'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --terms\tfile\t'Join only if the room has these terms'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'rooms show'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'rooms events'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --after\tnone\t'Those behind this number'
            set -a __sr_opts --watch\t\t'Go on, a line for each event, until Ctrl-C'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'rooms close'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --yes\t\t'Do not ask'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'rooms list'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'rooms propose'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none file
        case 'rooms vote'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --yes\t\t'Consent to it'
            set -a __sr_opts --no\t\t'Do not'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'rooms withdraw'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --yes\t\t'Do not ask'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'rooms contracts'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --after\tnone\t'Those behind this number'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'rooms contract'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'rooms run'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --set\tnone\t'A parameter; may be repeated'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'rooms jobs'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --after\tnone\t'Those behind this number'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'rooms job'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'rooms release'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --yes\t\t'Consent to its opening'
            set -a __sr_opts --no\t\t'Do not'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none none
        case 'rooms keep'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none none none
        case 'rooms open'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --out\tfile\t'Where the result goes'
            set -a __sr_opts -o\tfile\t'Where the result goes'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --form\twords,csv,json,arrow\t'Of a table'
            set -a __sr_opts --receipt\tfile\t'Write its receipt, the claim revealed'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none none
        case 'rooms cost'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'rooms verify'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --service\tnone\t'The service\'s pin (sr1-…); without it, no verdict'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'rooms predict'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --row\tnone\t'One row; may be repeated'
            set -a __sr_opts --file\tfile\t'A row per line, with names'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'rooms serving'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'rooms check'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --schema\tfile\t'Tables, columns, uses, k, noise'
            set -a __sr_opts --rows\tnone\t'Mock rows of each table'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'data'
            set -a __sr_subs put\t'Bring rows as a data set\'s first or next version'
            set -a __sr_subs extend\t'Add rows to a data set, like a batch of a sensor'
            set -a __sr_subs devices\t'List the devices whose batches a data set takes, with how far each has come; or change them'
            set -a __sr_subs sign\t'Sign readings as one batch of a device, and add it to a file that `put` and `extend` take'
            set -a __sr_subs list\t'List your data sets, or the assets of a clean room of yours'
            set -a __sr_subs show\t'Show one data set of yours'
            set -a __sr_subs withdraw\t'Withdraw a data set at once and for good, as one of its owners'
            set -a __sr_subs erase\t'Withdraw a data set, have the epoch end, and print what proves that its key is forgotten'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'data put'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --name\tnone\t'Of the data set'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --terms\tfile\t'Data terms (TOML); of a new one needed'
            set -a __sr_opts --key\tnone\t'Name of its vault key'
            set -a __sr_opts --policy\tfile\t'Release policy (JSON) of a new key'
            set -a __sr_opts --device\tnone\t'That signs batches of a new one (NAME or public key)'
            set -a __sr_opts --old-for\tnone\t'How long the version before opens'
            set -a __sr_opts --passphrase\t\t'Seal the data key\'s file with a passphrase'
            set -a __sr_opts --custodian\tdir\t'Of a key that stands in an HSM'
            set -a __sr_opts --pin-file\tfile\t'The HSM\'s PIN, in a file of mode 0600'
            set -a __sr_opts --pin-fd\tnone\t'The HSM\'s PIN, from an open descriptor'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'data extend'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --name\tnone\t'Of the data set'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --key\tnone\t'Name of its vault key'
            set -a __sr_opts --custodian\tdir\t'Of a key that stands in an HSM'
            set -a __sr_opts --pin-file\tfile\t'The HSM\'s PIN, in a file of mode 0600'
            set -a __sr_opts --pin-fd\tnone\t'The HSM\'s PIN, from an open descriptor'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'data devices'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --add\tnone\t'A device more (NAME or public key)'
            set -a __sr_opts --remove\tnone\t'A device that signs no more'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'data sign'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --data\tnone\t'Of the data set'
            set -a __sr_opts --terms\tfile\t'Its terms (TOML)'
            set -a __sr_opts --device\tnone\t'Whose key signs'
            set -a __sr_opts --counter\tnone\t'One more than the last'
            set -a __sr_opts --out\tfile\t'Ends in .batches'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'data list'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --room\tnone\t'Assets of this clean room instead'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'data show'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'data withdraw'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --yes\t\t'Do not ask'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'data erase'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --key\tnone\t'Name of its vault key'
            set -a __sr_opts --member\tnone\t'Who proposes the rotation'
            set -a __sr_opts --wait\tnone\t'How long for the epoch\'s end'
            set -a __sr_opts --yes\t\t'Do not ask'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'residency'
            set -a __sr_subs report\t'Check a node\'s ledger, and write a report that anybody verifies with the pin alone'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'residency report'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts -o\tfile\t'Where to'
            set -a __sr_opts --output\tfile\t'Where to'
            set -a __sr_opts --service\tnone\t'The service\'s pin (sr1-…); without it, no verdict'
            set -a __sr_opts --genesis\tfile\t'By default genesis.bin beside the folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args dir
        case 'people'
            set -a __sr_subs nonce\t'Print the nonce that an ID token must carry to be presented by this identity, here and nowhere else'
            set -a __sr_subs present\t'Present an ID token'
            set -a __sr_subs show\t'Show where an identity stands, by whose word, and until when'
            set -a __sr_subs withdraw\t'Be in no region any more, until a newer token is presented'
            set -a __sr_subs issuer\t'Issuers that members chose, and their keys'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'people nonce'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'people present'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --issuer\tnone\t'Of the token, as in its iss'
            set -a __sr_opts --token-file\tfile\t'An ID token; standard input without this'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'people show'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'people withdraw'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'people issuer'
            set -a __sr_subs list\t'List the issuers whose tokens count here'
            set -a __sr_subs show\t'Show one issuer'
            set -a __sr_subs add\t'Propose an issuer; its keys are proposed after it was taken'
            set -a __sr_subs add-key\t'Propose to pin a key of an issuer'
            set -a __sr_subs remove\t'Propose to remove an issuer'
            set -a __sr_subs remove-key\t'Propose to remove a key'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'people issuer list'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'people issuer show'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'people issuer add'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --audience\tnone\t'The one aud of its tokens'
            set -a __sr_opts --claim\tnone\t'Which claim tells the region'
            set -a __sr_opts --region\tnone\t'What a value means; repeat it'
            set -a __sr_opts --guests\tnone\t'How guests are told'
            set -a __sr_opts --life\tnone\t'Longest life of a token, seconds'
            set -a __sr_opts --votes-only\t\t'Its keys come by vote alone, not by observation'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'people issuer add-key'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --jwks\tfile\t'A key set as the issuer publishes it'
            set -a __sr_opts --kid\tnone\t'Which one, when it has several'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'people issuer remove'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
        case 'people issuer remove-key'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none none
        case 'recover'
            set -a __sr_subs key\t'Make and publish a member\'s recovery key'
            set -a __sr_subs check\t'Open a member\'s share from the ledger, compare it with what was committed to, and say on the ledger that the member holds it'
            set -a __sr_subs status\t'Who holds a share, what is missing, and what would come of it if every enclave lost its keys now'
            set -a __sr_subs begin\t'On a node of a dead service'
            set -a __sr_subs plan\t'With several nodes'
            set -a __sr_subs join\t'With several nodes'
            set -a __sr_subs give\t'A member checks an offer against the pin and against what it saw itself, agrees, and seals its share to the enclave that asks'
            set -a __sr_subs take\t'On the node that leads'
            set -a __sr_subs open\t'With k shares'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'recover key'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --new\t\t'Another one; shares are then made anew, for all'
            set -a __sr_opts --passphrase\t\t'Seal its file; so it is anyhow if the member\'s key file is'
            set -a __sr_opts --module\tfile\t'A PKCS#11 module'
            set -a __sr_opts --token\tnone\t'The token\'s label; with --module'
            set -a __sr_opts --serial\tnone\t'Its serial number, where two have one label'
            set -a __sr_opts --env\tnone\t'A variable that the module wants'
            set -a __sr_opts --pin-file\tfile\t'The HSM\'s PIN, in a file of mode 0600'
            set -a __sr_opts --pin-fd\tnone\t'The HSM\'s PIN, from an open descriptor'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'recover check'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --pin-file\tfile\t'The HSM\'s PIN, in a file of mode 0600'
            set -a __sr_opts --pin-fd\tnone\t'The HSM\'s PIN, from an open descriptor'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait before giving up'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'recover status'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --ledger\tdir\t'Of a node of a dead service'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'recover begin'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --ledger\tdir\t'A node\'s folder'
            set -a __sr_opts --together\t\t'Other nodes take part too'
            set -a __sr_opts --genesis\tfile\t'By default the one beside the node\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'recover plan'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --ledger\tdir\t'A node\'s folder'
            set -a __sr_opts --genesis\tfile\t'By default the one beside the node\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file+
        case 'recover join'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --ledger\tdir\t'A node\'s folder'
            set -a __sr_opts --genesis\tfile\t'By default the one beside the node\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'recover give'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'A member'
            set -a __sr_opts --out\tfile\t'By default NAME.share'
            set -a __sr_opts --receipt\tfile\t'Further receipts of yours to compare with'
            set -a __sr_opts --at-least\twords,latest\t'A height that you know'
            set -a __sr_opts --lost-above\twords,latest\t'No ledger has the outcomes above it that you saw'
            set -a __sr_opts --again\t\t'Although you agreed to another offer'
            set -a __sr_opts --pin-file\tfile\t'The HSM\'s PIN, in a file of mode 0600'
            set -a __sr_opts --pin-fd\tnone\t'The HSM\'s PIN, from an open descriptor'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file
        case 'recover take'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --ledger\tdir\t'A node\'s folder'
            set -a __sr_opts --genesis\tfile\t'By default the one beside the node\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file+
        case 'recover open'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --ledger\tdir\t'A node\'s folder'
            set -a __sr_opts --handed\tfile\t'With several nodes'
            set -a __sr_opts --genesis\tfile\t'By default the one beside the node\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args file+
        case 'users'
            set -a __sr_subs bring\t'Bring users onto the roster, as a member'
            set -a __sr_subs dismiss\t'Take users back whom this member brought'
            set -a __sr_subs list\t'List the users whom this member brought'
            set -a __sr_subs standing\t'Show on whose word this identity may speak, its roles, and what it may add to the state'
            set -a __sr_subs issuer\t'Show to a member what all whom an issuer\'s tokens admit did together, and what they may'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
        case 'users bring'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --file\tfile\t'A user a line, beside those named'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args identity+
        case 'users dismiss'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --file\tfile\t'A user a line, beside those named'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args identity+
        case 'users list'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'users standing'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
        case 'users issuer'
            set -a __sr_opts --help\t\t'Show what it does, and its options.'
            set -a __sr_opts --as\tidentity\t'Identity of the folder\'s keys/'
            set -a __sr_opts --timeout\tnone\t'Seconds to wait'
            set -a __sr_opts --dir\tdir\t'The cluster\'s folder'
            set -a __sr_opts --json\t\t'One JSON document on stdout, and nothing else'
            set -a __sr_args none
    end
end

set -g __sr_transactions payments.issue payments.issue_many payments.open payments.open_many payments.transfer payments.transfer_many people.present people.withdraw records.append records.restrict rooms.add rooms.advance rooms.answer rooms.close rooms.create rooms.extend rooms.finish rooms.join rooms.keep rooms.leave rooms.open rooms.predict rooms.propose rooms.publish rooms.release rooms.report rooms.run rooms.set_devices rooms.set_terms rooms.take rooms.vote rooms.wait rooms.withdraw rooms.withdraw_data roster.bring roster.dismiss roster.vouch vault.abandon vault.announce vault.approve vault.ask vault.beat vault.change vault.claim_lease vault.confirm vault.destroy vault.end vault.new vault.put vault.release vault.resolve vault.resume vault.revoke vault.rewrap vault.rotate vault.suspend vault.use
set -g __sr_queries payments.balance payments.balances payments.statement payments.supply people.standing records.head records.list records.read records.regions rooms.asked rooms.contract rooms.contracts rooms.data rooms.data_set rooms.devices rooms.events rooms.job rooms.jobs rooms.kept rooms.list rooms.prediction rooms.room rooms.serving rooms.work roster.issuer roster.standing roster.users system.result vault.custodian vault.custodians vault.frozen vault.key vault.keys vault.lease vault.leases vault.records
set -g __sr_changes add_issuer add_issuer_key add_member add_users admit_issuer allow_chip allow_measurement allow_operator allow_region dismiss_issuer forbid_chip forbid_measurement forbid_operator forbid_region grant remove_affiliation remove_country remove_issuer remove_issuer_key remove_member remove_node remove_users revoke revoke_key rotate set_access_regions set_affiliation set_country set_floors set_issuer set_limit set_max_age set_program_regions set_recovery_threshold set_threshold set_weight

# Arguments of an operation.
function __strongroom_arguments
    switch "$argv[1]"
        case payments.open
            printf '%s\n' account=
        case payments.open_many
            printf '%s\n' accounts=
        case payments.issue
            printf '%s\n' to= amount=
        case payments.issue_many
            printf '%s\n' issues=
        case payments.transfer
            printf '%s\n' to= amount= source= memo=
        case payments.transfer_many
            printf '%s\n' transfers=
        case payments.balance
            printf '%s\n' account=
        case payments.balances
            printf '%s\n' after= limit=
        case payments.statement
            printf '%s\n' account= after= limit=
        case people.present
            printf '%s\n' issuer= token=
        case records.append
            printf '%s\n' collection= contents= tags=
        case records.restrict
            printf '%s\n' collection= regions=
        case records.regions
            printf '%s\n' collection=
        case records.read
            printf '%s\n' collection= sequence=
        case records.list
            printf '%s\n' collection= after= limit= tag=
        case records.head
            printf '%s\n' collection=
        case rooms.publish
            printf '%s\n' name= terms= key=
        case rooms.add
            printf '%s\n' name= root= chunks= size_class= batches=
        case rooms.extend
            printf '%s\n' name= root= chunks= size_class= batches=
        case rooms.set_terms
            printf '%s\n' name= terms=
        case rooms.withdraw_data
            printf '%s\n' data=
        case rooms.create
            printf '%s\n' terms=
        case rooms.join
            printf '%s\n' room=
        case rooms.close
            printf '%s\n' room=
        case rooms.propose
            printf '%s\n' contract=
        case rooms.vote
            printf '%s\n' contract= approve=
        case rooms.withdraw
            printf '%s\n' contract=
        case rooms.set_devices
            printf '%s\n' name= add= remove=
        case rooms.wait
            printf '%s\n' evidence=
        case rooms.run
            printf '%s\n' contract= parameters=
        case rooms.advance
            printf '%s\n' job=
        case rooms.take
            printf '%s\n' job= evidence=
        case rooms.report
            printf '%s\n' job= entries= failed=
        case rooms.open
            printf '%s\n' job= output=
        case rooms.release
            printf '%s\n' job= output= approve=
        case rooms.keep
            printf '%s\n' job= output= name=
        case rooms.predict
            printf '%s\n' job= row=
        case rooms.answer
            printf '%s\n' job= answers=
        case rooms.finish
            printf '%s\n' job=
        case rooms.kept
            printf '%s\n' roots=
        case rooms.devices
            printf '%s\n' data=
        case rooms.asked
            printf '%s\n' job=
        case rooms.prediction
            printf '%s\n' job= number=
        case rooms.serving
            printf '%s\n' job=
        case rooms.list
            printf '%s\n' after= limit=
        case rooms.room
            printf '%s\n' room=
        case rooms.contracts
            printf '%s\n' room= after= limit=
        case rooms.contract
            printf '%s\n' contract=
        case rooms.jobs
            printf '%s\n' room= after= limit=
        case rooms.job
            printf '%s\n' job=
        case rooms.data
            printf '%s\n' owner= after= limit=
        case rooms.data_set
            printf '%s\n' data=
        case rooms.events
            printf '%s\n' room= after= limit=
        case rooms.work
            printf '%s\n' limit=
        case roster.bring
            printf '%s\n' users=
        case roster.dismiss
            printf '%s\n' users=
        case roster.vouch
            printf '%s\n' room=
        case roster.issuer
            printf '%s\n' issuer=
        case roster.users
            printf '%s\n' after= limit=
        case system.result
            printf '%s\n' id=
        case vault.change
            printf '%s\n' key= policy= quantity= window_from_ms= window_until_ms= heartbeat_ms= lease_ms= allotment= delay_ms= approvers= threshold= custodian=
        case vault.approve
            printf '%s\n' change=
        case vault.new
            printf '%s\n' name= policy= custody= custodian= approvers= threshold= quantity= window_from_ms= window_until_ms= heartbeat_ms= lease_ms= allotment= pieces= delay_ms=
        case vault.put
            printf '%s\n' key= secret= wrapped= digest=
        case vault.rotate
            printf '%s\n' key= secret= wrapped= digest= old_until_ms=
        case vault.suspend
            printf '%s\n' key=
        case vault.resume
            printf '%s\n' key=
        case vault.revoke
            printf '%s\n' key=
        case vault.destroy
            printf '%s\n' key=
        case vault.confirm
            printf '%s\n' key=
        case vault.announce
            printf '%s\n' endpoint= customer=
        case vault.resolve
            printf '%s\n' key= room= keep= session= machine=
        case vault.ask
            printf '%s\n' key= purpose= evidence= room=
        case vault.beat
            printf '%s\n' lease= number= used= reserve= piece= evidence=
        case vault.use
            printf '%s\n' lease= unit= digest=
        case vault.end
            printf '%s\n' lease= used=
        case vault.abandon
            printf '%s\n' key= chip= received=
        case vault.claim_lease
            printf '%s\n' lease=
        case vault.release
            printf '%s\n' lease= digest=
        case vault.rewrap
            printf '%s\n' key= wrapped= digest=
        case vault.custodian
            printf '%s\n' identity=
        case vault.custodians
            printf '%s\n' after= limit=
        case vault.keys
            printf '%s\n' owner= after= limit=
        case vault.key
            printf '%s\n' key=
        case vault.frozen
            printf '%s\n' key= room= machine= limit=
        case vault.leases
            printf '%s\n' key= after= limit=
        case vault.lease
            printf '%s\n' lease=
        case vault.records
            printf '%s\n' key= after= limit= refusals= mistakes=
    end
end

# What an option takes: prints the kind of its value, nothing for a flag; fails if it is unknown.
function __strongroom_option
    for one in $__sr_opts
        set -l parts (string split -m 2 \t -- $one)
        if test "$parts[1]" = "$argv[1]"
            printf '%s\n' $parts[2]
            return 0
        end
    end
    return 1
end

# Candidates of a kind: KIND TYPED BEFORE.
function __strongroom_value
    switch $argv[1]
        case 'words,*'
            printf "$argv[3]%s\n" (string split , -- (string replace words, '' -- $argv[1]))
        case file
            __fish_complete_path $argv[2]
        case dir
            __fish_complete_directories $argv[2]
        case transaction
            printf '%s\n' $__sr_transactions
        case query
            printf '%s\n' $__sr_queries
        case change
            printf '%s\n' $__sr_changes
        case arguments
            __strongroom_arguments "$__sr_operation"
        case node identity id
            for one in (command strongroom _complete $argv[1] "$__sr_dir" "$argv[2]" 2>/dev/null)
                printf '%s%s\n' $argv[3] $one
            end
    end
end

function __strongroom_candidates
    set -l tokens (commandline -opc)
    set -l typed (commandline -ct)
    set -l way ''
    set -l position 0
    set -l expecting ''
    set -l literal ''
    set -g __sr_dir ''
    set -g __sr_operation ''
    __strongroom_table ''
    for one in $tokens[2..-1]
        set one (string unescape -- $one; or printf '%s\n' $one)
        if test -n "$expecting"
            test "$expecting" = --dir; and set __sr_dir $one
            set expecting ''
        else if test -z "$literal" -a "$one" = --
            set literal 1
        else if test -z "$literal"; and string match -q -- '--dir=*' $one
            set __sr_dir (string replace -- --dir= '' $one)
        else if test -z "$literal"; and string match -q -- '-?*' $one
            set -l kind (__strongroom_option $one); and test -n "$kind"; and set expecting $one
        else if contains -- $one (string replace -r -- '\t.*' '' $__sr_subs)
            set way (string trim -- "$way $one")
            __strongroom_table $way
        else
            test $position -eq 0; and set __sr_operation $one
            set position (math $position + 1)
        end
    end
    string match -q -- '~/*' $__sr_dir; and set __sr_dir $HOME/(string sub -s 3 -- $__sr_dir)
    if test -n "$expecting"
        __strongroom_value (__strongroom_option $expecting) "$typed" ''
    else if test -z "$literal"; and string match -q -- '--*=*' $typed
        set -l parts (string split -m 1 = -- $typed)
        set -l kind (__strongroom_option $parts[1]); and __strongroom_value "$kind" "$parts[2]" "$parts[1]="
    else if test -z "$literal"; and string match -q -- '-*' $typed
        for one in $__sr_opts
            set -l parts (string split -m 2 \t -- $one)
            printf '%s\t%s\n' $parts[1] $parts[3]
        end
    else if test (count $__sr_subs) -gt 0
        printf '%s\n' $__sr_subs
    else
        set -l kinds $__sr_args
        while test (count $kinds) -gt 1 -a $position -gt 0
            set -e kinds[1]
            set position (math $position - 1)
        end
        if test (count $kinds) -gt 0
            if string match -q -- '*+' $kinds[1]; or test $position -eq 0
                __strongroom_value (string trim -r -c + -- $kinds[1]) "$typed" ''
            end
        end
    end
end

complete -c strongroom -e
complete -c strongroom -f -a '(__strongroom_candidates)'
