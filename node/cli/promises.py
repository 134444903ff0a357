"""What is promised, what it rests on, what shows it, and what is left: the words of `strongroom
trust` (DESIGN §1).

Owns the texts, as of this version of the code. Each piece of evidence is a test or a script of this
repository; that it exists is itself tested (tests/node/cli/test_trust.py).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise."""

    id: str
    summary: str
    mechanism: str
    evidence: tuple[str, ...]
    """Tests as FILE::NAME, or scripts."""
    residual: str
    """The risk that is left."""


PROMISES = (
    Promise(
        "P1",
        "Agreement: no two honest nodes finalise different blocks at a height.",
        "Two quorums of n−f share an honest validator; the enclave's safety rules never sign what "
        "contradicts an earlier vote; votes are durable before they are said.",
        (
            "scripts/simulate",
            "tests/proof/test_exploration.py::test_every_state_of_one_view_is_safe",
            "tests/simulation/test_liars.py::"
            "test_row_46_control_f_plus_1_liars_fork_and_the_checker_reports_and_names_them",
            "tests/enclave/member/test_voting.py::"
            "test_a_contradiction_is_never_signed_nor_anything_beside_it",
        ),
        "More than f nodes that lie can fork the chain. Two receipts that conflict then name who "
        "signed both; that proves guilt where they are of one view, and elsewhere only that more "
        "than f broke their word.",
    ),
    Promise(
        "P2",
        "Integrity: a wrong outcome on f nodes reaches no receipt.",
        "Every node executes; a header's anchor gets a vote only "
        "where it equals the node's own execution.",
        (
            "tests/simulation/test_liars.py::"
            "test_row_17_a_node_whose_execution_differs_stops_with_an_alarm_and_the_others_go_on",
            "tests/enclave/test_final_blocks.py::"
            "test_a_final_block_that_anchors_another_history_halts",
        ),
        "A bug of a program is executed alike everywhere.",
    ),
    Promise(
        "P3",
        "Durability: what was acknowledged survives kill -9 of every node and a torn last write.",
        "Log and ledger are synced before a vote or an answer leaves; every record has a checksum.",
        (
            "scripts/faults",
            "tests/integration/test_faults.py::test_P3_a_hundred_kills_lose_nothing",
            "tests/node/ledger/test_recovery.py::"
            "test_T40_nothing_synced_is_lost_at_any_crash_and_what_is_left_is_right",
        ),
        "A disk that says that it has written and has not, on more than f nodes at once.",
    ),
    Promise(
        "P4",
        "Confidentiality: plaintext, results, state and keys are "
        "in no file, on no wire, in no memory of a host.",
        "Only the enclave's process opens anything; it has one socket, and walls around it; "
        "inputs, results and write sets are sealed and padded to size classes; what a program "
        "refuses is said inside the seal.",
        (
            "scripts/leaks",
            "tests/scripts/test_leaks.py::"
            "test_T08_twins_on_a_real_node_differ_in_nothing_that_its_host_sees",
            "tests/node/test_walled_enclave.py::"
            "test_every_kind_of_request_is_answered_behind_the_walls",
            "tests/enclave/sandbox/test_walls.py::test_what_an_enclave_never_does_ends_it",
            "tests/enclave/door/test_door.py::"
            "test_T31_whatever_its_host_does_a_member_answers_or_refuses_and_a_refusal_changes_nothing",
        ),
        "The platform is SIMULATED: root of the machine reads the enclave's memory. Side channels "
        "of real TEEs. When and how often somebody transacts. The size class: what outgrows the "
        "smallest shows it, and so does a block whose changes outgrow its envelopes. Which "
        "transaction's result is asked for again.",
    ),
    Promise(
        "P5",
        "Admission: only an enclave whose evidence meets the governed policy gets keys or a vote.",
        "Evidence in a fixed order of checks, over a fresh nonce or a recent block, at founding, "
        "at admission on the ledger and on every link; the policy is governed by members' votes, "
        "and what loosens it waits. Ledger secrets only for admitted nodes; input secrets only "
        "for validators of the current epoch, of that epoch and of the one in grace.",
        (
            "tests/enclave/attestation/test_verifier.py::test_every_single_changed_byte_is_refused",
            "tests/enclave/member/test_founding.py::"
            "test_no_secret_is_made_before_every_piece_of_evidence_was_judged",
            "tests/enclave/test_succession.py::test_T29_no_secret_for_a_node_that_is_not_admitted",
            "tests/node/cli/test_cluster_growth.py::"
            "test_a_node_joins_by_attestation_and_governance_and_another_leaves",
            "tests/node/evidence/test_vectors.py::test_a_case_gets_its_verdict",
            "tests/enclave/sessions/test_session_admission.py::"
            "test_a_stranger_opens_no_session_and_nothing_of_the_refusal_is_sealed",
            "tests/enclave/programs/people/test_admission.py::"
            "test_T57_what_the_program_refuses_admits_nobody_and_leaves_nothing",
            "tests/node/rpc/test_door.py::"
            "test_a_stranger_is_refused_with_the_reason_and_nothing_reaches_the_node",
        ),
        "What evidence proves is no better than the silicon behind it; here that is software, and "
        "says SIMULATED. The code measures itself after it was loaded. Python's standard library "
        "counts by its version only. Users: who submits shows its organisation's credential, so "
        "hosts learn the organisation, never the identity; who may open a session is decided "
        "inside, by a roster that members govern and issuers whose tokens they let admit: such an "
        "issuer can admit whom it likes, up to its quota, until they dismiss it. An opening "
        "that the roster refuses says so in public, and what a node's own host puts into its "
        "lane no credential stops. A newcomer that does not know today's "
        "policy links to validators by certificates alone, and "
        "believes nothing for the link's sake.",
    ),
    Promise(
        "P6",
        "Exactly once: a sealed transaction takes effect at most once, and once if it is answered.",
        "Anti-replay window of 1,024 numbers in replicated state; one sealed result per accepted "
        "number; chain, epoch, session and number are bound in every seal.",
        (
            "tests/enclave/test_exactly_once.py::"
            "test_T07_a_duplicate_in_another_lane_of_the_same_block_takes_effect_once",
            "tests/enclave/test_exactly_once.py::"
            "test_T07_results_of_one_session_never_share_a_nonce",
            "tests/node/client/trust/test_epochs.py::"
            "test_one_nodes_word_that_the_epoch_is_over_seals_nothing_anew",
        ),
        "A client seals a call anew once f+1 nodes say that its envelope can never be executed "
        "any more: more than f that lie can make it do so twice.",
    ),
    Promise(
        "P7",
        "Audit: a receipt verifies offline against one pin.",
        "Leaf, outcome tree, history tree, anchor in a header, certificate of its epoch's quorum, "
        "each epoch's last block naming the next set, validators of the pinned genesis. Whole "
        "ledgers are checked in the same way.",
        (
            "tests/enclave/outside/test_receipts.py::"
            "test_a_receipt_with_any_field_tampered_is_forged",
            "tests/enclave/outside/test_receipts.py::"
            "test_there_is_no_verdict_without_the_right_pin",
            "tests/enclave/outside/test_receipts.py::"
            "test_T41_every_forged_succession_of_epochs_is_refused",
            "tests/node/client/audit/test_audit.py::test_T33_T34_T41_a_changed_ledger_is_forged",
        ),
        "The pin must have come by a way that can be trusted. Old vote keys, had they been copied "
        "before they were erased, could certify another history of their own epoch; whoever knows "
        "a later epoch refuses it.",
    ),
    Promise(
        "P8",
        "Liveness: with f nodes down or lying, commits go on.",
        "A view without progress is nullified; a leader that was silent is skipped until it "
        "speaks. Execution is total: what one envelope makes our code raise is undone and told, "
        "and ends nobody. Voting is not executing: fewer than a quorum of executing replicas is "
        "an alarm after 10 s.",
        (
            "tests/simulation/test_leaders.py::"
            "test_row_2_a_dead_leader_costs_no_timeout_once_its_silence_is_known",
            "tests/integration/test_faults.py::"
            "test_P8_calls_go_on_with_one_node_killed_and_it_comes_back_voting",
        ),
        "A host can always stop its own node; more than f stopped nodes stop the service, which "
        "loses nothing. If every holder of an input secret in grace loses it at once, the ledger "
        "waits for any one sealed state that has it.",
    ),
    Promise(
        "P9",
        "Recovery: a node restarts with its identity; the whole "
        "cluster restarts; a lost log costs one epoch; members keep shares of the key to the "
        "ledger, once they have set a threshold.",
        "Keys are sealed to chip and measurement; a restarted enclave executes and answers only "
        "after q fresh heads over its own nonce; a node without its log only observes, until its "
        "refresh opens a new epoch with a new vote key. Shares: the maker is believed by "
        "nobody: f+1 enclaves do its work again, each member's client opens its own share, and "
        "min(n, k+1) of them must say so before the shares count.",
        (
            "tests/integration/test_faults.py::"
            "test_T05_a_node_whose_folder_is_put_back_says_nothing_twice",
            "tests/enclave/keys/test_sealing.py::"
            "test_another_chip_and_another_measurement_cannot_open_it",
            "tests/enclave/proofs/test_heads.py::test_T05_the_highest_of_q_heads_counts",
            "tests/enclave/test_succession.py::"
            "test_T25_an_older_boot_stops_when_a_newer_one_stands_on_the_ledger",
            "tests/enclave/keys/test_recovery.py::"
            "test_any_k_members_open_every_epochs_ledger_secret_and_no_input_secret",
            "tests/enclave/keys/test_recovery.py::test_T5A_other_enclaves_see_what_no_member_can",
            "tests/enclave/governance/test_recovery.py::"
            "test_k_plus_one_acknowledgements_are_needed_or_all_there_are",
            "tests/enclave/test_recovery.py::"
            "test_T45_two_of_four_members_bring_it_back_with_every_balance",
            "tests/enclave/test_recovery.py::test_T5B_a_forged_certificate_opens_nothing",
            "tests/integration/test_recovery_drill.py::"
            "test_P9_lost_keys_of_all_enclaves_come_back_by_k_of_n_members",
            "scripts/drill",
        ),
        "Shares are OFF until members set a threshold (`strongroom recover status` says who holds "
        "one). k members together can open the state. Epochs since a node left, or was suspended, "
        "are not covered until members hold new shares; custody `ledger` and sessions never are. "
        "What was ordered and not executed when the keys were lost is refused, not opened. Above "
        "the last anchor a recovered ledger rests on what its disk recorded and members agreed to; "
        "one recovering node is a quorum of one until others join. If more than n−q validators "
        "lose their state at once, the chain stops until members recover it.",
    ),
    Promise(
        "P10",
        "Forgetting: when a key epoch is over and erased, its inputs can be opened by nobody.",
        "Every epoch has a secret of its own, wrapped to keys made for that epoch alone; once its "
        "grace is over, a second process that never held it takes the enclave's place, and sealed "
        "files are written anew without it. A secret that a disk gives back is used only once the "
        "ledger shows that its grace goes on.",
        (
            "tests/enclave/test_succession.py::"
            "test_P10_T13_after_the_grace_no_enclave_holds_what_opens_the_past",
            "tests/enclave/test_succession.py::"
            "test_T13_a_restart_from_an_old_disk_forgets_what_the_ledger_has_outlived",
            "tests/enclave/test_succession.py::"
            "test_P10_a_successor_goes_on_in_the_same_boot_without_what_was_erased",
            "tests/enclave/sandbox/test_resting.py::"
            "test_T13_a_secret_that_nobody_names_any_more_is_overwritten",
        ),
        "A copied sealed/ folder and a later break of that very chip open the epochs that were "
        "live in it. Results and state stay readable to the validators' enclaves: the ledger "
        "secret is kept. Without --epoch-blocks, or a vote to rotate, an epoch does not end.",
    ),
    Promise(
        "P11",
        "Post-quantum: what is recorded today is sealed so that "
        "a quantum computer does not open it later.",
        "HPKE with X25519 and ML-KEM-768 together for every opening "
        "and query; symmetric keys of 256 bits after it.",
        (
            "tests/enclave/keys/test_keys.py::"
            "test_what_is_sealed_to_the_epoch_opens_with_its_secrets",
            "tests/enclave/formats/test_envelope.py::test_golden_bytes_of_a_call_and_its_keys",
        ),
        "Signatures are of today (Ed25519): a quantum computer "
        "forges new ones, and opens nothing old.",
    ),
)

HEAP = (
    "Long-lived seeds (node, vote and wrap keys, input and ledger secrets, the sealing secret) "
    "rest in secret memory where the kernel has it, and are overwritten there. On the ordinary "
    "heap of the enclave lie keys that are derived from them inside OpenSSL, AEAD keys of sessions "
    "and boxes, all state and plaintext under way, and a seed for as long as it is read from or "
    "written to a sealed state. Python cannot wipe what it frees; the heap ends with the process."
)
"""What DESIGN §5 asks to be said."""
