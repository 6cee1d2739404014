//! Commands: what is begun and when, and what is said of it until it is acknowledged.

use expect_test::expect;

use super::{check, run};

#[test]
fn a_program_is_told_of_step_by_step_until_each_step_is_acknowledged() {
    run(
        r#"
        register
        RUN"$A","issuedAt":1000000,"ttlMs":10000}
        report $A starting
        report $A running
        ack 1 {"ok":true}
        runs $A
        at 250
        at 1500
        report $A exited 0
        runs
        ack 2 {"ok":true}
        ack 3 {"ok":true}
        ack 3 {"ok":true}
        "#,
        &expect![[r#"
            register
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A","issuedAt":1000000,"ttlMs":10000}
                start $A of Some(PresetId(7)): clock until 1010000
            report $A starting
                say 1["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$A","details":{}
            report $A running
                say 2["execution_result",{"clientName":"Wall_1","status":"running","presetId":7,"commandId":"$A","details":{"command":"가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가","pid":40,"start_time":1.5}
            ack 1 {"ok":true}
                acknowledged $A Starting
            runs $A
            at 250
                say ["process_status",{"clientName":"Wall_1","status":"running","running_process_count":1,"running_processes":[{"preset_id":7,"commandId":"$A","pid":40,"uptime":0.250}]
            at 1500
            report $A exited 0
                say 3["execution_result",{"clientName":"Wall_1","status":"completed","presetId":7,"commandId":"$A","details":{"exit_code":0,"lasted_ms":1500}
            runs
                say ["process_status",{"clientName":"Wall_1","status":"online","running_process_count":0,"running_processes":[]
            ack 2 {"ok":true}
                acknowledged $A Running { pid: 40, started_at: Timestamp(1500), line: "가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가" }
            ack 3 {"ok":true}
                acknowledged $A Ended { how: Exited(0), stopped: false, lasted_ms: 1500 }
            ack 3 {"ok":true}
        "#]],
    );
}

#[test]
fn every_end_has_its_word() {
    run(
        "
        register
        report $A exited 3
        report $B killed 9
        report $C ended 15
        report $D lost
        report $A unstarted
        ",
        &expect![[r#"
            register
            report $A exited 3
                say 1["execution_result",{"clientName":"Wall_1","status":"failed","presetId":7,"commandId":"$A","details":{"exit_code":3,"lasted_ms":1500}
            report $B killed 9
                say 2["execution_result",{"clientName":"Wall_1","status":"failed","presetId":7,"commandId":"$B","details":{"lasted_ms":1500,"signal":9}
            report $C ended 15
                say 3["execution_result",{"clientName":"Wall_1","status":"stopped","presetId":7,"commandId":"$C","details":{"lasted_ms":1500,"signal":15}
            report $D lost
                say 4["execution_result",{"clientName":"Wall_1","status":"failed","presetId":7,"commandId":"$D","details":{"error":"lost","lasted_ms":1500,"reason":"reboot"}
            report $A unstarted
                say 5["execution_result",{"clientName":"Wall_1","status":"failed","presetId":7,"commandId":"$A","details":{"code":"not_found","error":"there is no such program"}
        "#]],
    );
}

#[test]
fn what_was_not_acknowledged_is_said_again_after_a_reconnect() {
    run(
        r#"
        register
        report $A starting
        report $A running
        RUN"$B","issuedAt":900000,"ttlMs":10}
        ack 1 {"ok":true}
        closed
        report $A exited 0
        at 1000
        register
        report $A exited 0
        "#,
        &expect![[r#"
            register
            report $A starting
                say 1["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$A","details":{}
            report $A running
                say 2["execution_result",{"clientName":"Wall_1","status":"running","presetId":7,"commandId":"$A","details":{"command":"가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가","pid":40,"start_time":1.5}
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$B","issuedAt":900000,"ttlMs":10}
                Tell(NotBegun { command: $B, why: "expired" })
                say 3["execution_result",{"clientName":"Wall_1","status":"rejected","presetId":7,"commandId":"$B","details":{"code":"expired","error":"it came too late"}
            ack 1 {"ok":true}
                acknowledged $A Starting
            closed
                Tell(Rests(1000))
            report $A exited 0
            at 1000
                Dial
            register
                say 4["execution_result",{"clientName":"Wall_1","status":"rejected","presetId":7,"commandId":"$B","details":{"code":"expired","error":"it came too late"}
            report $A exited 0
                say 5["execution_result",{"clientName":"Wall_1","status":"completed","presetId":7,"commandId":"$A","details":{"exit_code":0,"lasted_ms":1500}
        "#]],
    );
}

#[test]
fn what_is_refused_for_now_is_said_again_unless_it_was_overtaken() {
    run(
        r#"
        register
        report $A starting
        report $B starting
        report $B running
        ack 1 {"error":{"code":"RATE_LIMITED","message":"too fast"}}
        ack 2 {"error":{"code":"RATE_LIMITED","message":"too fast"}}
        ack 3 {"error":{"code":"INVALID_PARAM","message":"no"}}
        at 999
        at 1000
        "#,
        &expect![[r#"
            register
            report $A starting
                say 1["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$A","details":{}
            report $B starting
                say 2["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$B","details":{}
            report $B running
                say 3["execution_result",{"clientName":"Wall_1","status":"running","presetId":7,"commandId":"$B","details":{"command":"가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가","pid":40,"start_time":1.5}
            ack 1 {"error":{"code":"RATE_LIMITED","message":"too fast"}}
            ack 2 {"error":{"code":"RATE_LIMITED","message":"too fast"}}
            ack 3 {"error":{"code":"INVALID_PARAM","message":"no"}}
                Tell(Refused { code: "INVALID_PARAM", message: "no" })
                acknowledged $B Running { pid: 40, started_at: Timestamp(1500), line: "가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가" }
            at 999
            at 1000
                say 4["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$A","details":{}
        "#]],
    );
}

#[test]
fn what_comes_too_late_is_rejected_and_stays_so() {
    run(
        r#"
        register
        at 100
        RUN"$A","issuedAt":1000000,"ttlMs":101}
        ack 1 {"ok":true}
        RUN"$A","issuedAt":1000000,"ttlMs":99999}
        RUN"$B","issuedAt":1000000,"ttlMs":102}
        report $B starting
        at 500
        RUN"$B","issuedAt":1000000,"ttlMs":102}
        "#,
        &expect![[r#"
            register
            at 100
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A","issuedAt":1000000,"ttlMs":101}
                Tell(NotBegun { command: $A, why: "expired" })
                say 1["execution_result",{"clientName":"Wall_1","status":"rejected","presetId":7,"commandId":"$A","details":{"code":"expired","error":"it came too late"}
            ack 1 {"ok":true}
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A","issuedAt":1000000,"ttlMs":99999}
                say 2["execution_result",{"clientName":"Wall_1","status":"rejected","presetId":7,"commandId":"$A","details":{"code":"expired","error":"it came too late"}
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$B","issuedAt":1000000,"ttlMs":102}
                Tell(NotBegun { command: $B, why: "expired" })
                say 3["execution_result",{"clientName":"Wall_1","status":"rejected","presetId":7,"commandId":"$B","details":{"code":"expired","error":"it came too late"}
            report $B starting
                say 4["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$B","details":{}
            at 500
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$B","issuedAt":1000000,"ttlMs":102}
                start $B of Some(PresetId(7)): clock until 1000102
        "#]],
    );
}

#[test]
fn a_program_for_later_starts_at_its_moment() {
    run(
        r#"
        register
        RUN"$A","issuedAt":1000000,"ttlMs":10000,"when":1002000}
        RUN"$A","issuedAt":1000000,"ttlMs":10000,"when":1002000}
        RUN"$B","issuedAt":1000000,"ttlMs":10000,"when":995000}
        RUN"$C","issuedAt":1000000,"ttlMs":10000,"when":994999}
        closed
        at 1999
        at 2000
        "#,
        &expect![[r#"
            register
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A","issuedAt":1000000,"ttlMs":10000,"when":1002000}
                say 1["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$A","details":{}
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A","issuedAt":1000000,"ttlMs":10000,"when":1002000}
                say 2["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$A","details":{}
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$B","issuedAt":1000000,"ttlMs":10000,"when":995000}
                start $B of Some(PresetId(7)): clock until 1010000
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$C","issuedAt":1000000,"ttlMs":10000,"when":994999}
                Tell(NotBegun { command: $C, why: "expired" })
                say 3["execution_result",{"clientName":"Wall_1","status":"rejected","presetId":7,"commandId":"$C","details":{"code":"expired","error":"it came too late"}
            closed
                Tell(Rests(1000))
            at 1999
                Dial
            at 2000
                start $A of Some(PresetId(7)): clock until 1010000
        "#]],
    );
}

#[test]
fn a_stop_before_the_moment_keeps_a_program_from_starting() {
    run(
        r#"
        register
        RUN"$A","issuedAt":1000000,"ttlMs":10000,"when":1002000}
        hear stop_command {"clientName":"Wall_1","presetId":7,"commandId":"$B","graceMs":100}
        report $B stopped 2
        ack 1 {"ok":true}
        at 2000
        RUN"$A","issuedAt":1000000,"ttlMs":10000,"when":1002000}
        hear stop_command {"clientName":"Wall_1","presetId":null,"commandId":"$C","runId":"$A"}
        hear stop_command {"clientName":"Wall_1","presetId":null,"commandId":"$D"}
        "#,
        &expect![[r#"
            register
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A","issuedAt":1000000,"ttlMs":10000,"when":1002000}
                say 1["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$A","details":{}
            hear stop_command {"clientName":"Wall_1","presetId":7,"commandId":"$B","graceMs":100}
                stop $B: Preset(PresetId(7)) Some(100) until 1600000
                say 2["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$B","details":{}
                say 3["execution_result",{"clientName":"Wall_1","status":"stopped","presetId":7,"commandId":"$A","details":{}
            report $B stopped 2
                say 4["execution_result",{"clientName":"Wall_1","status":"stopped","presetId":7,"commandId":"$B","details":{"stopped":3}
            ack 1 {"ok":true}
            at 2000
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A","issuedAt":1000000,"ttlMs":10000,"when":1002000}
                say 5["execution_result",{"clientName":"Wall_1","status":"stopped","presetId":7,"commandId":"$A","details":{}
            hear stop_command {"clientName":"Wall_1","presetId":null,"commandId":"$C","runId":"$A"}
                stop $C: Run($A) None until 1602000
                say 6["execution_result",{"clientName":"Wall_1","status":"starting","presetId":null,"commandId":"$C","details":{}
            hear stop_command {"clientName":"Wall_1","presetId":null,"commandId":"$D"}
                stop $D: All None until 1602000
                say 7["execution_result",{"clientName":"Wall_1","status":"starting","presetId":null,"commandId":"$D","details":{}
        "#]],
    );
}

#[test]
fn a_program_is_prepared_and_not_started() {
    check(
        r#"
        register
        hear prepare_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A","issuedAt":1000000,"ttlMs":5000}
        prepared $A
        unprepared $B
        hear prepare_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$C","issuedAt":990000,"ttlMs":5000}
        "#,
        &expect![[r#"
            register
            hear prepare_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A","issuedAt":1000000,"ttlMs":5000}
                prepare $A: clock
            prepared $A
                say 1["execution_result",{"clientName":"Wall_1","status":"prepared","presetId":7,"commandId":"$A","details":{}
            unprepared $B
                say 2["execution_result",{"clientName":"Wall_1","status":"rejected","presetId":7,"commandId":"$B","details":{"code":"not_found","error":"there is no such program"}
            hear prepare_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$C","issuedAt":990000,"ttlMs":5000}
                Tell(NotBegun { command: $C, why: "expired" })
                say 3["execution_result",{"clientName":"Wall_1","status":"rejected","presetId":7,"commandId":"$C","details":{"code":"expired","error":"it came too late"}
        "#]],
    );
}

#[test]
fn what_is_for_another_display_or_too_early_changes_nothing() {
    check(
        r#"
        at 0
        opened
        hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A"}
        joined
        hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A"}
        register
        hear execute_command {"clientName":"Wall_2","command":"clock","presetId":7,"commandId":"$A"}
        hear stop_command {"clientName":"Wall_2","presetId":7,"commandId":"$B"}
        "#,
        &expect![[r#"
            at 0
                Dial
            opened
                join
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A"}
            joined
                say ["register_client",{"name":"Wall_1","clientType":"bongsu-agent","version":"1","capabilities":["command_ids","barrier"],"token":"secret"
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A"}
            register
            hear execute_command {"clientName":"Wall_2","command":"clock","presetId":7,"commandId":"$A"}
                Tell(NotMine { name: "Wall_2", total: 1 })
            hear stop_command {"clientName":"Wall_2","presetId":7,"commandId":"$B"}
                Tell(NotMine { name: "Wall_2", total: 2 })
        "#]],
    );
}

#[test]
fn a_server_that_knows_only_the_guide_is_served_by_presets() {
    check(
        r#"
        at 0
        opened
        joined
        hear registration_success {"clientId":123,"clientName":"Wall_1","message":"ok"}
        hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7}
        report ffff00000000000000000000000001f4 starting
        report ffff00000000000000000000000001f4 running
        runs ffff00000000000000000000000001f4
        at 250
        hear stop_command {"clientName":"Wall_1","presetId":7}
        "#,
        &expect![[r#"
            at 0
                Dial
            opened
                join
            joined
                say ["register_client",{"name":"Wall_1","clientType":"bongsu-agent","version":"1","capabilities":["command_ids","barrier"],"token":"secret"
            hear registration_success {"clientId":123,"clientName":"Wall_1","message":"ok"}
                Tell(Registered { epoch: None })
                CatchUp
                say ["heartbeat",{"clientName":"Wall_1","status":"online","uptime":0.000,"process_count":0
                say ["process_status",{"clientName":"Wall_1","status":"online","running_process_count":0,"running_processes":[]
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7}
                start ffff00000000000000000000000001f4 of Some(PresetId(7)): clock until 0
            report ffff00000000000000000000000001f4 starting
                say ["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"details":{}
                acknowledged ffff00000000000000000000000001f4 Starting
            report ffff00000000000000000000000001f4 running
                say ["execution_result",{"clientName":"Wall_1","status":"running","presetId":7,"details":{"command":"가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가","pid":40,"start_time":1.5}
                acknowledged ffff00000000000000000000000001f4 Running { pid: 40, started_at: Timestamp(1500), line: "가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가가" }
            runs ffff00000000000000000000000001f4
            at 250
                say ["process_status",{"clientName":"Wall_1","status":"running","running_process_count":1,"running_processes":[{"preset_id":7,"pid":40,"uptime":0.250}]
            hear stop_command {"clientName":"Wall_1","presetId":7}
                stop ffff0000000000fa00000000000001f4: Preset(PresetId(7)) None until 600250
        "#]],
    );
}

#[test]
fn who_ends_takes_only_stops() {
    run(
        r#"
        register
        RUN"$A","issuedAt":1000000,"ttlMs":10000,"when":1002000}
        stop
        at 1
        RUN"$B","issuedAt":1000000,"ttlMs":10000}
        hear stop_command {"clientName":"Wall_1","presetId":7,"commandId":"$C"}
        at 2000
        "#,
        &expect![[r#"
            register
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A","issuedAt":1000000,"ttlMs":10000,"when":1002000}
                say 1["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$A","details":{}
            stop
                say 2["execution_result",{"clientName":"Wall_1","status":"rejected","presetId":7,"commandId":"$A","details":{"code":"stopping","error":"the agent ends"}
            at 1
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$B","issuedAt":1000000,"ttlMs":10000}
                Tell(NotBegun { command: $B, why: "stopping" })
                say 3["execution_result",{"clientName":"Wall_1","status":"rejected","presetId":7,"commandId":"$B","details":{"code":"stopping","error":"the agent ends"}
            hear stop_command {"clientName":"Wall_1","presetId":7,"commandId":"$C"}
                stop $C: Preset(PresetId(7)) None until 1600001
                say 4["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$C","details":{}
            at 2000
        "#]],
    );
}

#[test]
fn who_does_nothing_any_more_acknowledges_no_stop() {
    run(
        r#"
        register
        stop
        rests
        hear stop_command {"clientName":"Wall_1","presetId":7,"commandId":"$C"}
        hear stop_command {"clientName":"Wall_1","presetId":7}
        undone $D
        "#,
        &expect![[r#"
            register
            stop
            rests
            hear stop_command {"clientName":"Wall_1","presetId":7,"commandId":"$C"}
                say 1["execution_result",{"clientName":"Wall_1","status":"rejected","presetId":7,"commandId":"$C","details":{"code":"stopping","error":"the agent ends"}
            hear stop_command {"clientName":"Wall_1","presetId":7}
            undone $D
                say 2["execution_result",{"clientName":"Wall_1","status":"rejected","presetId":7,"commandId":"$D","details":{"code":"stopping","error":"the agent ends"}
        "#]],
    );
}

#[test]
fn who_has_much_to_do_takes_nothing_more_and_stops_a_little_longer() {
    run(
        r#"
        register
        waiting 127
        RUN"$A"}
        waiting 128
        RUN"$B"}
        waiting 255
        hear stop_command {"clientName":"Wall_1","presetId":7,"commandId":"$C"}
        waiting 256
        hear stop_command {"clientName":"Wall_1","presetId":7,"commandId":"$D"}
        "#,
        &expect![[r#"
            register
            waiting 127
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$A"}
                start $A of Some(PresetId(7)): clock until 1000000
            waiting 128
            hear execute_command {"clientName":"Wall_1","command":"clock","presetId":7,"commandId":"$B"}
                Tell(Overloaded($B))
            waiting 255
            hear stop_command {"clientName":"Wall_1","presetId":7,"commandId":"$C"}
                stop $C: Preset(PresetId(7)) None until 1600000
                say 1["execution_result",{"clientName":"Wall_1","status":"starting","presetId":7,"commandId":"$C","details":{}
            waiting 256
            hear stop_command {"clientName":"Wall_1","presetId":7,"commandId":"$D"}
                Tell(Overloaded($D))
        "#]],
    );
}
