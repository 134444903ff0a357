# bash completion of strongroom. Written by ./scripts/reference from the commands: do not edit.
#
#   source <(strongroom completion bash)
#
# Words and options stand here; names that change are asked of `strongroom _complete`. Nothing that is
# typed or answered is evaluated: no eval, no compgen -W, no program but `strongroom` from PATH.

# Words behind a command: subs, options (NAME=KIND where a value follows), arguments.
__strongroom_table() {
    subs='' opts='' args=''
    case $1 in
        '')
            subs='call query receipt trust bench completion cluster node found keys custodian verify explorer gov admin attest vault room rooms data residency people recover users'
            opts='--help --dir=dir --version'
            args='' ;;
        'call')
            opts='--help --as=identity --wait=words,none,commit,receipt --recorded --timeout=none --dir=dir --json'
            args='transaction arguments+' ;;
        'query')
            opts='--help --as=identity --at-least=none --linearizable --timeout=none --dir=dir --json'
            args='query arguments+' ;;
        'receipt')
            opts='--help -o=file --output=file --timeout=none --dir=dir --json'
            args='id' ;;
        'trust')
            opts='--help --files --dir=dir --json'
            args='' ;;
        'bench')
            opts='--help --nodes=none --clients=none --rate=words,max --seconds=none --warmup=none --size=none --program=none --rooms=none --beat=none --full --processes=none --outstanding=none --one-shot --suite --soak --profile=file --markdown --compare=none --repeat=none --peer=words,etcd --tables=none --json'
            args='' ;;
        'completion')
            opts='--help --json'
            args='words,bash,zsh,fish' ;;
        'cluster')
            subs='up status down stop start kill add remove logs'
            opts='--help'
            args='' ;;
        'cluster up')
            opts='--help --dir=dir --nodes=none --base-port=none --port-stride=none --epoch-blocks=none --recovery=none --archive=dir --archive-after=none --detach -d --json'
            args='' ;;
        'cluster status')
            opts='--help --dir=dir --json'
            args='' ;;
        'cluster down')
            opts='--help --dir=dir --json'
            args='' ;;
        'cluster stop')
            opts='--help --dir=dir --json'
            args='node' ;;
        'cluster start')
            opts='--help --dir=dir --wait --json'
            args='node' ;;
        'cluster kill')
            opts='--help --dir=dir --json'
            args='node' ;;
        'cluster add')
            opts='--help --region=none --dir=dir --json'
            args='' ;;
        'cluster remove')
            opts='--help --dir=dir --json'
            args='node' ;;
        'cluster logs')
            opts='--help --dir=dir --follow -f --lines=none -n=none --json'
            args='node' ;;
        'node')
            subs='init admit run join health'
            opts='--help'
            args='' ;;
        'node init')
            opts='--help --rpc=none --peer=none --announce-rpc=none --announce-peer=none --health=none --operator=none --member=none --region=none --country=none --platform=dir --with=none --genesis=file --archive=dir --archive-after=none --check --json'
            args='dir' ;;
        'node admit')
            opts='--help --config=file -o=file --card=file --weight=none --json'
            args='none' ;;
        'node run')
            opts='--help --config=file --check --json'
            args='' ;;
        'node join')
            opts='--help --pin=none --at=none --operator=none --region=none --rpc=none --peer=none --dir=dir --json'
            args='none' ;;
        'node health')
            opts='--help --config=file --live --timeout=none --json'
            args='' ;;
        'found')
            subs='propose show check accept make confirm seal'
            opts='--help'
            args='' ;;
        'found propose')
            opts='--help --name=none -o=file --issuer=identity --limit=none --member=none --user=none --max-age-hours=none --json'
            args='file+' ;;
        'found show')
            opts='--help --json'
            args='file+' ;;
        'found check')
            opts='--help --dir=dir --node=none --json'
            args='file+' ;;
        'found accept')
            opts='--help -o=file --dir=dir --node=none --instead --json'
            args='file+' ;;
        'found make')
            opts='--help -o=file --dir=dir --node=none --json'
            args='file+' ;;
        'found confirm')
            opts='--help -o=file --dir=dir --node=none --json'
            args='file+' ;;
        'found seal')
            opts='--help --dir=dir --node=none --json'
            args='file+' ;;
        'keys')
            subs='new list show'
            opts='--help'
            args='' ;;
        'keys new')
            opts='--help --dir=dir --passphrase --json'
            args='none' ;;
        'keys list')
            opts='--help --dir=dir --json'
            args='' ;;
        'keys show')
            opts='--help --dir=dir --json'
            args='identity' ;;
        'custodian')
            subs='init check announce run journal put exchange rewrap'
            opts='--help'
            args='' ;;
        'custodian init')
            opts='--help --customer=none --module=file --token=none --dir=dir --serial=none --form=words,hmac,ecdh --label=none --service=file --as=identity --listen=none --env=none --pin-file=file --pin-fd=none --json'
            args='' ;;
        'custodian check')
            opts='--help --dir=dir --pin-file=file --pin-fd=none --json'
            args='' ;;
        'custodian announce')
            opts='--help --dir=dir --timeout=none --json'
            args='none' ;;
        'custodian run')
            opts='--help --dir=dir --listen=none --plain --pin-file=file --pin-fd=none --timeout=none --json'
            args='' ;;
        'custodian journal')
            opts='--help --dir=dir --after=none --limit=none --compare --key=none --timeout=none --json'
            args='' ;;
        'custodian put')
            opts='--help --owner=none --dir=dir --digest=none --pieces=words,layers --out=file -o=file --for-import --rotate --old-until-ms=none --pin-file=file --pin-fd=none --timeout=none --json'
            args='none file' ;;
        'custodian exchange')
            opts='--help --key=none --dir=dir --out=file -o=file --timeout=none --json'
            args='file' ;;
        'custodian rewrap')
            opts='--help --owner=none --dir=dir --timeout=none --json'
            args='file' ;;
        'verify')
            subs='receipt ledger archive residency misbehaviour page evidence'
            opts='--help'
            args='' ;;
        'verify receipt')
            opts='--help --service=none --json'
            args='file' ;;
        'verify ledger')
            opts='--help --service=none --at-least=words,latest --genesis=file --archive=dir --json'
            args='dir' ;;
        'verify archive')
            opts='--help --json'
            args='dir' ;;
        'verify residency')
            opts='--help --service=none --at-least=words,latest --ledger=dir --genesis=file --json'
            args='file' ;;
        'verify misbehaviour')
            opts='--help --service=none -o=file --output=file --json'
            args='file+' ;;
        'verify page')
            opts='--help -o=file --output=file --force --json'
            args='' ;;
        'verify evidence')
            opts='--help --cases=file --policy=words,strict --json'
            args='file' ;;
        'explorer')
            subs='status search blocks block tx verify nodes members proposals epochs regions recovery grants region-rules keys leases custodians rooms room contracts job users watch web'
            opts='--help'
            args='' ;;
        'explorer status')
            opts='--help --from-ledger=dir --field=none --dir=dir --json'
            args='' ;;
        'explorer search')
            opts='--help --from-ledger=dir --field=none --dir=dir --json'
            args='none+' ;;
        'explorer blocks')
            opts='--help --from=words,latest --to=words,latest --limit=none --from-ledger=dir --field=none --dir=dir --json'
            args='' ;;
        'explorer block')
            opts='--help --as=identity --from-ledger=dir --field=none --dir=dir --json'
            args='words,latest' ;;
        'explorer tx')
            opts='--help --as=identity --from-ledger=dir --field=none --dir=dir --json'
            args='id' ;;
        'explorer verify')
            opts='--help --from-ledger=dir --field=none --dir=dir --json'
            args='words,latest' ;;
        'explorer nodes')
            opts='--help --from-ledger=dir --field=none --dir=dir --json'
            args='' ;;
        'explorer members')
            opts='--help --from-ledger=dir --field=none --dir=dir --json'
            args='' ;;
        'explorer proposals')
            opts='--help --from-ledger=dir --field=none --dir=dir --json'
            args='' ;;
        'explorer epochs')
            opts='--help --from-ledger=dir --field=none --dir=dir --json'
            args='' ;;
        'explorer regions')
            opts='--help --from-ledger=dir --field=none --dir=dir --json'
            args='' ;;
        'explorer recovery')
            opts='--help --from-ledger=dir --field=none --dir=dir --json'
            args='' ;;
        'explorer grants')
            opts='--help --from-ledger=dir --field=none --dir=dir --json'
            args='none' ;;
        'explorer region-rules')
            opts='--help --from-ledger=dir --field=none --dir=dir --json'
            args='' ;;
        'explorer keys')
            opts='--help --as=identity --timeout=none --field=none --dir=dir --json'
            args='identity' ;;
        'explorer leases')
            opts='--help --as=identity --timeout=none --field=none --dir=dir --json'
            args='identity' ;;
        'explorer custodians')
            opts='--help --as=identity --timeout=none --field=none --dir=dir --json'
            args='identity' ;;
        'explorer rooms')
            opts='--help --as=identity --timeout=none --field=none --dir=dir --json'
            args='' ;;
        'explorer room')
            opts='--help --as=identity --newest=none --timeout=none --field=none --dir=dir --json'
            args='none' ;;
        'explorer contracts')
            opts='--help --as=identity --after=none --timeout=none --field=none --dir=dir --json'
            args='none' ;;
        'explorer job')
            opts='--help --as=identity --timeout=none --field=none --dir=dir --json'
            args='none' ;;
        'explorer users')
            opts='--help --from-ledger=dir --field=none --dir=dir --json'
            args='' ;;
        'explorer watch')
            opts='--help --plain --seconds=none --from-ledger=dir --dir=dir --json'
            args='' ;;
        'explorer web')
            opts='--help --port=none --open --from-ledger=dir --dir=dir --json'
            args='' ;;
        'gov')
            subs='simulate propose vote withdraw show'
            opts='--help'
            args='' ;;
        'gov simulate')
            opts='--help --file=none --proposal=none --dir=dir --json'
            args='change+' ;;
        'gov propose')
            opts='--help --as=identity --file=none --lifetime=none --timeout=none --dir=dir --json'
            args='change+' ;;
        'gov vote')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none words,yes,no' ;;
        'gov withdraw')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'gov show')
            opts='--help --dir=dir --json'
            args='none' ;;
        'admin')
            subs='ask approve deny review revoke begin finish list'
            opts='--help'
            args='' ;;
        'admin ask')
            opts='--help --reason=none --as=identity --node=node --for=none --claim-by=none --emergency --wait --timeout=none --dir=dir --json'
            args='none+' ;;
        'admin approve')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'admin deny')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'admin review')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'admin revoke')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'admin begin')
            opts='--help --as=identity --node=node --measurement=none --timeout=none --dir=dir --json'
            args='none none' ;;
        'admin finish')
            opts='--help --outcome=none --as=identity --node=node --file=file --timeout=none --dir=dir --json'
            args='none none' ;;
        'admin list')
            opts='--help --wait --dir=dir --json'
            args='none' ;;
        'attest')
            subs='show verify'
            opts='--help'
            args='' ;;
        'attest show')
            opts='--help --dir=dir --json'
            args='node' ;;
        'attest verify')
            opts='--help --service=none --dir=dir --json'
            args='node' ;;
        'vault')
            subs='new change put rotate suspend resume revoke destroy confirm approve resolve end keys show leases lease records policy'
            opts='--help'
            args='' ;;
        'vault new')
            opts='--help --as=identity --policy=file --pieces=none --quantity=none --from=none --until=none --approver=none --threshold=none --heartbeat=none --lease=none --allotment=none --delay=none --custody=words,ledger,split,hsm --custodian=none --timeout=none --dir=dir --json'
            args='none' ;;
        'vault change')
            opts='--help --as=identity --policy=file --quantity=none --from=none --until=none --approver=none --threshold=none --heartbeat=none --lease=none --allotment=none --delay=none --custodian=none --timeout=none --dir=dir --json'
            args='none' ;;
        'vault put')
            opts='--help --as=identity --pieces=words,layers --out=file -o=file --passphrase --timeout=none --dir=dir --json'
            args='none file' ;;
        'vault rotate')
            opts='--help --as=identity --old-for=none --pieces=words,layers --out=file -o=file --passphrase --timeout=none --dir=dir --json'
            args='none file' ;;
        'vault suspend')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'vault resume')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'vault revoke')
            opts='--help --as=identity --yes --timeout=none --dir=dir --json'
            args='none' ;;
        'vault destroy')
            opts='--help --as=identity --yes --timeout=none --dir=dir --json'
            args='none' ;;
        'vault confirm')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'vault approve')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'vault resolve')
            opts='--help --keep=none --room=none --as=identity --session=none --machine=none --timeout=none --dir=dir --json'
            args='none' ;;
        'vault end')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'vault keys')
            opts='--help --as=identity --after=none --timeout=none --dir=dir --json'
            args='identity' ;;
        'vault show')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'vault leases')
            opts='--help --as=identity --watch --every=none --last=none --for=none --timeout=none --dir=dir --json'
            args='none' ;;
        'vault lease')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'vault records')
            opts='--help --as=identity --after=none --refusals --mistakes --timeout=none --dir=dir --json'
            args='none' ;;
        'vault policy')
            subs='check explain diff import'
            opts='--help'
            args='' ;;
        'vault policy check')
            opts='--help --json'
            args='file' ;;
        'vault policy explain')
            opts='--help --claims=file --evidence=file --operator=none --country=none --age-ms=none --time-ms=none --json'
            args='file' ;;
        'vault policy diff')
            opts='--help --json'
            args='file file' ;;
        'vault policy import')
            opts='--help --authority=none --instead=none --json'
            args='file' ;;
        'room')
            subs='measure chip run'
            opts='--help'
            args='' ;;
        'room measure')
            opts='--help --files --json'
            args='file' ;;
        'room chip')
            opts='--help --dir=dir --json'
            args='dir' ;;
        'room run')
            opts='--help --name=none --chip=dir --region=none --operator=none --as=identity --service=none --state=dir --file=none --set=none --jobs=none --json'
            args='file' ;;
        'rooms')
            subs='create join show events close list propose vote withdraw contracts contract run jobs job release keep open cost verify predict serving check'
            opts='--help'
            args='' ;;
        'rooms create')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='file' ;;
        'rooms join')
            opts='--help --as=identity --terms=file --timeout=none --dir=dir --json'
            args='none' ;;
        'rooms show')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'rooms events')
            opts='--help --as=identity --after=none --watch --timeout=none --dir=dir --json'
            args='none' ;;
        'rooms close')
            opts='--help --as=identity --yes --timeout=none --dir=dir --json'
            args='none' ;;
        'rooms list')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='' ;;
        'rooms propose')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none file' ;;
        'rooms vote')
            opts='--help --as=identity --yes --no --timeout=none --dir=dir --json'
            args='none' ;;
        'rooms withdraw')
            opts='--help --as=identity --yes --timeout=none --dir=dir --json'
            args='none' ;;
        'rooms contracts')
            opts='--help --as=identity --after=none --timeout=none --dir=dir --json'
            args='none' ;;
        'rooms contract')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'rooms run')
            opts='--help --as=identity --set=none --timeout=none --dir=dir --json'
            args='none' ;;
        'rooms jobs')
            opts='--help --as=identity --after=none --timeout=none --dir=dir --json'
            args='none' ;;
        'rooms job')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'rooms release')
            opts='--help --as=identity --yes --no --timeout=none --dir=dir --json'
            args='none none' ;;
        'rooms keep')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none none none' ;;
        'rooms open')
            opts='--help --out=file -o=file --as=identity --form=words,csv,json,arrow --receipt=file --timeout=none --dir=dir --json'
            args='none none' ;;
        'rooms cost')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'rooms verify')
            opts='--help --service=none --json'
            args='file' ;;
        'rooms predict')
            opts='--help --as=identity --row=none --file=file --timeout=none --dir=dir --json'
            args='none' ;;
        'rooms serving')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'rooms check')
            opts='--help --schema=file --rows=none --json'
            args='file' ;;
        'data')
            subs='put extend devices sign list show withdraw erase'
            opts='--help'
            args='' ;;
        'data put')
            opts='--help --name=none --as=identity --terms=file --key=none --policy=file --device=none --old-for=none --passphrase --custodian=dir --pin-file=file --pin-fd=none --timeout=none --dir=dir --json'
            args='file' ;;
        'data extend')
            opts='--help --name=none --as=identity --key=none --custodian=dir --pin-file=file --pin-fd=none --timeout=none --dir=dir --json'
            args='file' ;;
        'data devices')
            opts='--help --as=identity --add=none --remove=none --timeout=none --dir=dir --json'
            args='none' ;;
        'data sign')
            opts='--help --data=none --terms=file --device=none --counter=none --out=file --dir=dir --json'
            args='file' ;;
        'data list')
            opts='--help --as=identity --room=none --timeout=none --dir=dir --json'
            args='' ;;
        'data show')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'data withdraw')
            opts='--help --as=identity --yes --timeout=none --dir=dir --json'
            args='none' ;;
        'data erase')
            opts='--help --as=identity --key=none --member=none --wait=none --yes --timeout=none --dir=dir --json'
            args='none' ;;
        'residency')
            subs='report'
            opts='--help'
            args='' ;;
        'residency report')
            opts='--help -o=file --output=file --service=none --genesis=file --json'
            args='dir' ;;
        'people')
            subs='nonce present show withdraw issuer'
            opts='--help'
            args='' ;;
        'people nonce')
            opts='--help --as=identity --dir=dir --json'
            args='' ;;
        'people present')
            opts='--help --as=identity --issuer=none --token-file=file --timeout=none --dir=dir --json'
            args='' ;;
        'people show')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='' ;;
        'people withdraw')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='' ;;
        'people issuer')
            subs='list show add add-key remove remove-key'
            opts='--help'
            args='' ;;
        'people issuer list')
            opts='--help --dir=dir --json'
            args='' ;;
        'people issuer show')
            opts='--help --dir=dir --json'
            args='none' ;;
        'people issuer add')
            opts='--help --as=identity --audience=none --claim=none --region=none --guests=none --life=none --votes-only --timeout=none --dir=dir --json'
            args='none' ;;
        'people issuer add-key')
            opts='--help --as=identity --jwks=file --kid=none --timeout=none --dir=dir --json'
            args='none' ;;
        'people issuer remove')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
        'people issuer remove-key')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none none' ;;
        'recover')
            subs='key check status begin plan join give take open'
            opts='--help'
            args='' ;;
        'recover key')
            opts='--help --as=identity --new --passphrase --module=file --token=none --serial=none --env=none --pin-file=file --pin-fd=none --timeout=none --dir=dir --json'
            args='' ;;
        'recover check')
            opts='--help --as=identity --pin-file=file --pin-fd=none --timeout=none --dir=dir --json'
            args='' ;;
        'recover status')
            opts='--help --dir=dir --ledger=dir --json'
            args='' ;;
        'recover begin')
            opts='--help --ledger=dir --together --genesis=file --json'
            args='' ;;
        'recover plan')
            opts='--help --ledger=dir --genesis=file --json'
            args='file+' ;;
        'recover join')
            opts='--help --ledger=dir --genesis=file --json'
            args='file' ;;
        'recover give')
            opts='--help --as=identity --out=file --receipt=file --at-least=words,latest --lost-above=words,latest --again --pin-file=file --pin-fd=none --dir=dir --json'
            args='file' ;;
        'recover take')
            opts='--help --ledger=dir --genesis=file --json'
            args='file+' ;;
        'recover open')
            opts='--help --ledger=dir --handed=file --genesis=file --json'
            args='file+' ;;
        'users')
            subs='bring dismiss list standing issuer'
            opts='--help'
            args='' ;;
        'users bring')
            opts='--help --as=identity --file=file --timeout=none --dir=dir --json'
            args='identity+' ;;
        'users dismiss')
            opts='--help --as=identity --file=file --timeout=none --dir=dir --json'
            args='identity+' ;;
        'users list')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='' ;;
        'users standing')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='' ;;
        'users issuer')
            opts='--help --as=identity --timeout=none --dir=dir --json'
            args='none' ;;
    esac
}

__sr_transactions='payments.issue payments.issue_many payments.open payments.open_many payments.transfer payments.transfer_many people.present people.withdraw records.append records.restrict rooms.add rooms.advance rooms.answer rooms.close rooms.create rooms.extend rooms.finish rooms.join rooms.keep rooms.leave rooms.open rooms.predict rooms.propose rooms.publish rooms.release rooms.report rooms.run rooms.set_devices rooms.set_terms rooms.take rooms.vote rooms.wait rooms.withdraw rooms.withdraw_data roster.bring roster.dismiss roster.vouch vault.abandon vault.announce vault.approve vault.ask vault.beat vault.change vault.claim_lease vault.confirm vault.destroy vault.end vault.new vault.put vault.release vault.resolve vault.resume vault.revoke vault.rewrap vault.rotate vault.suspend vault.use'
__sr_queries='payments.balance payments.balances payments.statement payments.supply people.standing records.head records.list records.read records.regions rooms.asked rooms.contract rooms.contracts rooms.data rooms.data_set rooms.devices rooms.events rooms.job rooms.jobs rooms.kept rooms.list rooms.prediction rooms.room rooms.serving rooms.work roster.issuer roster.standing roster.users system.result vault.custodian vault.custodians vault.frozen vault.key vault.keys vault.lease vault.leases vault.records'
__sr_changes='add_issuer add_issuer_key add_member add_users admit_issuer allow_chip allow_measurement allow_operator allow_region dismiss_issuer forbid_chip forbid_measurement forbid_operator forbid_region grant remove_affiliation remove_country remove_issuer remove_issuer_key remove_member remove_node remove_users revoke revoke_key rotate set_access_regions set_affiliation set_country set_floors set_issuer set_limit set_max_age set_program_regions set_recovery_threshold set_threshold set_weight'

# Arguments of an operation.
__strongroom_arguments() {
    words=''
    case $1 in
        payments.open) words='account=' ;;
        payments.open_many) words='accounts=' ;;
        payments.issue) words='to= amount=' ;;
        payments.issue_many) words='issues=' ;;
        payments.transfer) words='to= amount= source= memo=' ;;
        payments.transfer_many) words='transfers=' ;;
        payments.balance) words='account=' ;;
        payments.balances) words='after= limit=' ;;
        payments.statement) words='account= after= limit=' ;;
        people.present) words='issuer= token=' ;;
        records.append) words='collection= contents= tags=' ;;
        records.restrict) words='collection= regions=' ;;
        records.regions) words='collection=' ;;
        records.read) words='collection= sequence=' ;;
        records.list) words='collection= after= limit= tag=' ;;
        records.head) words='collection=' ;;
        rooms.publish) words='name= terms= key=' ;;
        rooms.add) words='name= root= chunks= size_class= batches=' ;;
        rooms.extend) words='name= root= chunks= size_class= batches=' ;;
        rooms.set_terms) words='name= terms=' ;;
        rooms.withdraw_data) words='data=' ;;
        rooms.create) words='terms=' ;;
        rooms.join) words='room=' ;;
        rooms.close) words='room=' ;;
        rooms.propose) words='contract=' ;;
        rooms.vote) words='contract= approve=' ;;
        rooms.withdraw) words='contract=' ;;
        rooms.set_devices) words='name= add= remove=' ;;
        rooms.wait) words='evidence=' ;;
        rooms.run) words='contract= parameters=' ;;
        rooms.advance) words='job=' ;;
        rooms.take) words='job= evidence=' ;;
        rooms.report) words='job= entries= failed=' ;;
        rooms.open) words='job= output=' ;;
        rooms.release) words='job= output= approve=' ;;
        rooms.keep) words='job= output= name=' ;;
        rooms.predict) words='job= row=' ;;
        rooms.answer) words='job= answers=' ;;
        rooms.finish) words='job=' ;;
        rooms.kept) words='roots=' ;;
        rooms.devices) words='data=' ;;
        rooms.asked) words='job=' ;;
        rooms.prediction) words='job= number=' ;;
        rooms.serving) words='job=' ;;
        rooms.list) words='after= limit=' ;;
        rooms.room) words='room=' ;;
        rooms.contracts) words='room= after= limit=' ;;
        rooms.contract) words='contract=' ;;
        rooms.jobs) words='room= after= limit=' ;;
        rooms.job) words='job=' ;;
        rooms.data) words='owner= after= limit=' ;;
        rooms.data_set) words='data=' ;;
        rooms.events) words='room= after= limit=' ;;
        rooms.work) words='limit=' ;;
        roster.bring) words='users=' ;;
        roster.dismiss) words='users=' ;;
        roster.vouch) words='room=' ;;
        roster.issuer) words='issuer=' ;;
        roster.users) words='after= limit=' ;;
        system.result) words='id=' ;;
        vault.change) words='key= policy= quantity= window_from_ms= window_until_ms= heartbeat_ms= lease_ms= allotment= delay_ms= approvers= threshold= custodian=' ;;
        vault.approve) words='change=' ;;
        vault.new) words='name= policy= custody= custodian= approvers= threshold= quantity= window_from_ms= window_until_ms= heartbeat_ms= lease_ms= allotment= pieces= delay_ms=' ;;
        vault.put) words='key= secret= wrapped= digest=' ;;
        vault.rotate) words='key= secret= wrapped= digest= old_until_ms=' ;;
        vault.suspend) words='key=' ;;
        vault.resume) words='key=' ;;
        vault.revoke) words='key=' ;;
        vault.destroy) words='key=' ;;
        vault.confirm) words='key=' ;;
        vault.announce) words='endpoint= customer=' ;;
        vault.resolve) words='key= room= keep= session= machine=' ;;
        vault.ask) words='key= purpose= evidence= room=' ;;
        vault.beat) words='lease= number= used= reserve= piece= evidence=' ;;
        vault.use) words='lease= unit= digest=' ;;
        vault.end) words='lease= used=' ;;
        vault.abandon) words='key= chip= received=' ;;
        vault.claim_lease) words='lease=' ;;
        vault.release) words='lease= digest=' ;;
        vault.rewrap) words='key= wrapped= digest=' ;;
        vault.custodian) words='identity=' ;;
        vault.custodians) words='after= limit=' ;;
        vault.keys) words='owner= after= limit=' ;;
        vault.key) words='key=' ;;
        vault.frozen) words='key= room= machine= limit=' ;;
        vault.leases) words='key= after= limit=' ;;
        vault.lease) words='lease=' ;;
        vault.records) words='key= after= limit= refusals= mistakes=' ;;
    esac
}

# The words of the line up to the cursor, unquoted, into __sr_words; the last one is being typed.
__strongroom_split() {
    local line=${COMP_LINE:0:COMP_POINT} char quote='' word='' begun='' at
    __sr_words=()
    for ((at = 0; at < ${#line}; at++)); do
        char=${line:at:1}
        if [[ $quote == "'" || $quote == '"' ]]; then
            if [[ $char == "$quote" ]]; then quote=''
            elif [[ $quote == '"' && $char == \\ ]]; then ((at++)); word+=${line:at:1}
            else word+=$char; fi
        elif [[ $char == \\ ]]; then ((at++)); word+=${line:at:1}; begun=1
        elif [[ $char == "'" || $char == '"' ]]; then quote=$char; begun=1
        elif [[ $char == ' ' || $char == $'\t' ]]; then
            [[ -n $begun ]] && __sr_words+=("$word")
            word='' begun=''
        else word+=$char; begun=1; fi
    done
    __sr_words+=("$word")
}

# What an option takes: the kind of its value in __sr_kind, nothing for a flag; fails if unknown.
__strongroom_option() {
    local one
    for one in $opts; do
        if [[ ${one%%=*} == "$1" ]]; then
            __sr_kind=''
            [[ $one == *=* ]] && __sr_kind=${one#*=}
            return 0
        fi
    done
    return 1
}

# Those of the words after the first two arguments (kept in front of each; typed) that fit.
__strongroom_offer() {
    local before=$1 typed=$2 one
    shift 2
    for one in "$@"; do
        [[ $one == "$typed"* ]] && COMPREPLY+=("$before$one")
    done
}

# Candidates of a kind for what is typed.
__strongroom_value() {
    local kind=$1 typed=$2 before=$3 line answers=()
    case $kind in
        words,*)
            IFS=, read -ra answers <<<"${kind#words,}"
            __strongroom_offer "$before" "$typed" "${answers[@]}" ;;
        file) compopt -o default ;;
        dir) compopt -o dirnames ;;
        transaction) __strongroom_offer "$before" "$typed" $__sr_transactions ;;
        query) __strongroom_offer "$before" "$typed" $__sr_queries ;;
        change) __strongroom_offer "$before" "$typed" $__sr_changes ;;
        arguments)
            __strongroom_arguments "$__sr_operation"
            __strongroom_offer "$before" "$typed" $words
            compopt -o nospace ;;
        node | identity | id)
            while IFS= read -r line; do
                [[ $line =~ ^[A-Za-z0-9_.-]+$ ]] && answers+=("$line")
            done \
                < <(command strongroom _complete "$kind" "$__sr_dir" "$typed" 2>/dev/null)
            __strongroom_offer "$before" "$typed" "${answers[@]}" ;;
    esac
}

__strongroom() {
    local subs opts args words one path='' position=0 expecting='' literal='' typed before=''
    local __sr_words __sr_kind __sr_dir='' __sr_operation='' last
    COMPREPLY=()
    __strongroom_split
    last=$((${#__sr_words[@]} - 1))
    typed=${__sr_words[last]}
    __strongroom_table ''
    for one in "${__sr_words[@]:1:last-1}"; do
        if [[ -n $expecting ]]; then
            [[ $expecting == --dir ]] && __sr_dir=$one
            expecting=''
        elif [[ -z $literal && $one == -- ]]; then literal=1
        elif [[ -z $literal && $one == --dir=* ]]; then __sr_dir=${one#--dir=}
        elif [[ -z $literal && $one == -?* ]]; then
            __strongroom_option "$one" && [[ -n $__sr_kind ]] && expecting=$one
        elif [[ -n $subs && " $subs " == *" $one "* ]]; then
            path="${path:+$path }$one"
            __strongroom_table "$path"
        else
            ((position == 0)) && __sr_operation=$one
            ((position++))
        fi
    done
    [[ $__sr_dir == '~/'* ]] && __sr_dir=$HOME/${__sr_dir#'~/'}
    if [[ -n $expecting ]]; then
        __strongroom_option "$expecting"
        __strongroom_value "$__sr_kind" "$typed" ''
    elif [[ -z $literal && $typed == --*=* ]]; then
        [[ $COMP_WORDBREAKS == *=* ]] || before=${typed%%=*}=
        __strongroom_option "${typed%%=*}" && __strongroom_value "$__sr_kind" "${typed#*=}" "$before"
    elif [[ -z $literal && $typed == -* ]]; then
        for one in $opts; do __strongroom_offer '' "$typed" "${one%%=*}"; done
    elif [[ -n $subs ]]; then
        __strongroom_offer '' "$typed" $subs
    else
        set -- $args
        while (($# > 1 && position > 0)); do shift; ((position--)); done
        [[ ${1:-} == *+ || $position == 0 ]] && __strongroom_value "${1%+}" "$typed" ''
    fi
    return 0
}

complete -F __strongroom strongroom
