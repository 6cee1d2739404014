//! From link to link: entering, registering, hearts that beat, coming back.

use expect_test::expect;

use super::{check, run};

#[test]
fn a_display_joins_registers_and_measures_the_clock_at_once() {
    check(
        r#"
        at 0
        opened
        joined
        hear registration_success {"clientId":7,"clientName":"Wall_1","epoch":3,"heartbeatMs":30000,"serverTime":1000000}
        at 10
        hear heartbeat_response {"status":"ok","timestamp":"1970-01-01T00:16:40.005Z","nextHeartbeatIn":20000}
        at 19999
        at 20000
        at 30000
        "#,
        &expect![[r#"
            at 0
                Dial
            opened
                join
            joined
                say ["register_client",{"name":"Wall_1","clientType":"bongsu-agent","version":"1","capabilities":["command_ids","barrier"],"token":"secret"
            hear registration_success ...1000000}
                Tell(Registered { epoch: Some(ConnectionEpoch(3)) })
                CatchUp
                say ["heartbeat",{"clientName":"Wall_1","status":"online","uptime":0.000,"process_count":0
                say ["process_status",{"clientName":"Wall_1","status":"online","running_process_count":0,"running_processes":[]
            at 10
            hear heartbeat_response {"status":"ok","timestamp":"1970-01-01T00:16:40.005Z","nextHeartbeatIn":20000}
                Forget(Timestamp(1000005))
            at 19999
            at 20000
                say ["process_status",{"clientName":"Wall_1","status":"online","running_process_count":0,"running_processes":[]
            at 30000
                say ["heartbeat",{"clientName":"Wall_1","status":"online","uptime":30.000,"process_count":0
        "#]],
    );
}

#[test]
fn rests_grow_until_a_registration_has_held() {
    check(
        "
        at 0
        closed
        at 1000
        closed
        at 2999
        at 3000
        opened
        closed
        at 10000
        register
        at 19999
        closed
        at 28000
        register
        at 38000
        closed
        ",
        &expect![[r#"
            at 0
                Dial
            closed
                Tell(Rests(1000))
            at 1000
                Dial
            closed
                Tell(Rests(1500))
            at 2999
                Dial
            at 3000
            opened
                join
            closed
                Tell(Rests(2500))
            at 10000
                Dial
            register
            at 19999
            closed
                Tell(Rests(4500))
            at 28000
                Dial
            register
            at 38000
            closed
                Tell(Rests(1000))
        "#]],
    );
}

#[test]
fn a_registration_that_fails_is_tried_again_over_the_same_link() {
    check(
        r#"
        at 0
        opened
        joined
        at 100
        hear registration_failed {"reason":"taken","message":"no","code":"NAME_TAKEN"}
        at 5099
        at 5100
        hear registration_failed {"reason":"slow down","message":"no","retryAfterMs":9000}
        at 14100
        at 29100
        "#,
        &expect![[r#"
            at 0
                Dial
            opened
                join
            joined
                say ["register_client",{"name":"Wall_1","clientType":"bongsu-agent","version":"1","capabilities":["command_ids","barrier"],"token":"secret"
            at 100
            hear registration_failed {"reason":"taken","message":"no","code":"NAME_TAKEN"}
                Tell(NotRegistered { code: Some("NAME_TAKEN"), reason: "taken" })
            at 5099
            at 5100
                say ["register_client",{"name":"Wall_1","clientType":"bongsu-agent","version":"1","capabilities":["command_ids","barrier"],"token":"secret"
            hear registration_failed {"reason":"slow down","message":"no","retryAfterMs":9000}
                Tell(NotRegistered { code: None, reason: "slow down" })
            at 14100
                say ["register_client",{"name":"Wall_1","clientType":"bongsu-agent","version":"1","capabilities":["command_ids","barrier"],"token":"secret"
            at 29100
                Hang(NotRegistered)
                Tell(Rests(1000))
        "#]],
    );
}

#[test]
fn who_is_not_answered_hangs_up() {
    check(
        "
        at 0
        opened
        at 9999
        at 10000
        ",
        &expect![[r#"
            at 0
                Dial
            opened
                join
            at 9999
            at 10000
                Hang(TooSlow)
                Tell(Rests(1000))
        "#]],
    );
    run(
        r#"
        register
        report $A running
        at 29999
        at 30000
        "#,
        &expect![[r#"
            register
            report $A running
                say 1["execution_result",{"clientName":"Wall_1","status":"running","presetId":7,"commandId":"$A","details":{"command":"가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가","pid":40,"start_time":1.5}
            at 29999
                say ["process_status",{"clientName":"Wall_1","status":"online","running_process_count":0,"running_processes":[]
            at 30000
                Hang(NotAcknowledged)
                Tell(Rests(1000))
        "#]],
    );
}

#[test]
fn a_server_that_takes_results_slowly_but_takes_them_is_waited_for() {
    run(
        r#"
        register
        report $A starting
        report $B starting
        report $C starting
        at 29000
        ack 1 {"ok":true}
        ack 9 {"ok":true}
        at 30000
        at 58000
        ack 2 {"error":{"code":"OVERLOADED","message":"later"}}
        at 59000
        ack 4 {"ok":true}
        ack 9 {"ok":true}
        at 88999
        at 89000
        "#,
        &expect![[r#"
            register
            report $A starting
                say 1["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$A","details":{}
            report $B starting
                say 2["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$B","details":{}
            report $C starting
                say 3["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$C","details":{}
            at 29000
                say ["process_status",{"clientName":"Wall_1","status":"online","running_process_count":0,"running_processes":[]
            ack 1 {"ok":true}
                acknowledged $A Starting
            ack 9 {"ok":true}
            at 30000
                say ["heartbeat",{"clientName":"Wall_1","status":"online","uptime":30.000,"process_count":0
            at 58000
                say ["process_status",{"clientName":"Wall_1","status":"online","running_process_count":0,"running_processes":[]
            ack 2 {"error":{"code":"OVERLOADED","message":"later"}}
            at 59000
                say 4["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$B","details":{}
            ack 4 {"ok":true}
                acknowledged $B Starting
            ack 9 {"ok":true}
            at 88999
                say ["heartbeat",{"clientName":"Wall_1","status":"online","uptime":88.999,"process_count":0
                say ["process_status",{"clientName":"Wall_1","status":"online","running_process_count":0,"running_processes":[]
            at 89000
                Hang(NotAcknowledged)
                Tell(Rests(1000))
        "#]],
    );
}

#[test]
fn a_server_that_wants_it_is_come_back_to_at_once_and_then_in_time() {
    check(
        r#"
        register
        at 20000
        hear heartbeat_response {"status":"error","message":"who?","shouldReconnect":true}
        at 20000
        opened
        joined
        hear registration_success {"epoch":4,"serverTime":1020000}
        hear heartbeat_response {"status":"error","message":"who?","shouldReconnect":true}
        at 21000
        "#,
        &expect![[r#"
            register
            at 20000
                say ["process_status",{"clientName":"Wall_1","status":"online","running_process_count":0,"running_processes":[]
            hear heartbeat_response {"status":"error","message":"who?","shouldReconnect":true}
                Hang(Asked("who?"))
                Tell(Rests(0))
            at 20000
                Dial
            opened
                join
            joined
                say ["register_client",{"name":"Wall_1","clientType":"bongsu-agent","version":"1","capabilities":["command_ids","barrier"],"token":"secret"
            hear registration_success {"epoch":4,"serverTime":1020000}
                Tell(Registered { epoch: Some(ConnectionEpoch(4)) })
                CatchUp
                say ["reconnection_success",{"clientName":"Wall_1"
                say ["heartbeat",{"clientName":"Wall_1","status":"online","uptime":20.000,"process_count":0
                say ["process_status",{"clientName":"Wall_1","status":"online","running_process_count":0,"running_processes":[]
            hear heartbeat_response {"status":"error","message":"who?","shouldReconnect":true}
                Hang(Asked("who?"))
                Tell(Rests(1500))
            at 21000
        "#]],
    );
}

#[test]
fn a_server_that_stops_is_come_back_to_when_it_says() {
    check(
        r#"
        register
        hear server_shutdown {"message":"bye","reconnectAfter":7000}
        at 3000
        closed
        at 6999
        at 7000
        register
        hear server_shutdown {"message":"bye"}
        at 11999
        at 12000
        at 12000
        closed
        "#,
        &expect![[r#"
            register
            hear server_shutdown {"message":"bye","reconnectAfter":7000}
                Tell(ServerStops(7000))
            at 3000
            closed
                Tell(Rests(4000))
            at 6999
            at 7000
                Dial
            register
            hear server_shutdown {"message":"bye"}
                Tell(ServerStops(5000))
            at 11999
            at 12000
                Hang(ServerStops)
                Tell(Rests(0))
            at 12000
                Dial
            closed
                Tell(Rests(1000))
        "#]],
    );
}

#[test]
fn a_check_is_answered_with_what_it_had() {
    check(
        r#"
        register
        hear connection_check {"timestamp":12.5}
        hear connection_check {}
        "#,
        &expect![[r#"
            register
            hear connection_check {"timestamp":12.5}
                say ["connection_check_response",{"clientName":"Wall_1","status":"alive","received_at":12.5
            hear connection_check {}
                say ["connection_check_response",{"clientName":"Wall_1","status":"alive","received_at":null
        "#]],
    );
}

#[test]
fn a_namespace_that_is_refused_or_left_is_tried_again() {
    check(
        r#"
        at 0
        opened
        left
        at 1000
        register
        hear server_error {"code":"INVALID_TOKEN","message":"no","reconnect":"never"}
        closed
        "#,
        &expect![[r#"
            at 0
                Dial
            opened
                join
            left
                Hang(Left)
                Tell(Rests(1000))
            at 1000
                Dial
            register
            hear server_error {"code":"INVALID_TOKEN","message":"no","reconnect":"never"}
                Tell(Refused { code: "INVALID_TOKEN", message: "no" })
            closed
                Tell(Rests(15500))
        "#]],
    );
}
