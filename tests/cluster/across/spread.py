"""The scenarios of one server on three nodes: each connection comes to the next node, each call of the API to the next.

Nothing in them knows of nodes. What holds on one node must hold on three, or stand below with the reason why not.
"""

import functools
import importlib

import runner
from cluster import LIMITS, scenario
from scenarios import matrix
from scenarios.devices import COMMANDS

# Modules whose scenarios are taken as they are.
MODULES = ("chat", "calls", "operators", "resume", "type_rooms", "tokens", "device_commands", "device_control", "device_state", "devices")
# What asks one process about itself, not the server about what it does.
LEFT_OUT = {
    "probes_and_metrics_answer": "asks one node for its address",
    "the_command_line_sends_and_explains": "speaks to one node by its command line",
    "an_announcement_reaches_every_session": "is told how many heard it on the node that was asked",
    "what_the_catalogue_does_not_allow_is_refused": "counts the rate of a command, which each node counts for itself",
    "blocks_made_over_http_hold_for_live_sessions": "is at once on the node that was asked, and a moment later on the others",
    "typing_reaches_the_others_only": "says once what is not kept, when the last node has hardly said that it wants to hear of the room",
    "typing_is_on_unless_it_is_said_to_be_off": "says once what is not kept, likewise",
    "users_are_blocked_by_their_handles": "ends a block right behind what it holds back, which comes to the other node when it likes",
    "without_a_subprotocol_json_is_spoken": "is about a handshake",
    "the_vectors_are_what_another_compiler_makes_of_them": "needs no server",
}
# Of the matrix, the sender sits on the first node and everybody else on the others: every pair of protocols, across two.
STAGE = (1, 2, 3, 2, 3, 2, 3, 3)


def taken():
    """The scenarios that suit a cluster with the limits that ours has."""
    for module in MODULES:
        importlib.import_module(f"scenarios.{module}")
    theirs = list(runner.SCENARIOS)
    runner.SCENARIOS.clear()
    for function, limits, config, fresh in theirs:
        module = function.__module__.rpartition(".")[2]
        suits = not fresh and limits.items() <= LIMITS.items() and config in ("", COMMANDS)
        if module in MODULES and suits and function.__name__ not in LEFT_OUT:
            yield function


def seated(function, *seats):
    """Registers one of them, on these seats (all nodes in turn if none is named)."""

    @functools.wraps(function)
    def over_nodes(cluster):
        function(cluster.seat(*seats))

    scenario()(over_nodes)


MATRIX = (
    matrix.every_event_from_every_protocol_to_every_other,
    matrix.a_message_of_and_to_the_chat_of_socketio,
    matrix.a_sender_hears_itself_in_every_protocol,
    matrix.a_page_of_history_is_the_same_in_every_protocol,
    matrix.a_resume_replays_the_same_in_every_protocol,
    matrix.a_repeat_is_a_repeat_in_every_protocol,
    matrix.blocks_hold_across_protocols,
)


def register():
    """In place of whatever was registered before."""
    functions = list(taken())
    for function in MATRIX:
        seated(function, *STAGE)
    for function in functions:
        seated(function)
