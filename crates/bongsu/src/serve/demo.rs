//! `--dev`: three users, two rooms, a car and a preset to try things out with, and what to try.
//!
//! Invariant: a demo listens on loopback only, and changes nothing that is there already.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::bail;
use bongsu_edge::auth::{MemberToken, MintRequest, Role, Signer};
use bongsu_model::device::{DeviceId, NewDevice};
use bongsu_model::display::{NewPreset, Program};
use bongsu_model::records::{MemberRole, NewRoom, NewUser, Visibility};
use bongsu_model::{LocalizedNick, Refusal, RoomId, RoomRef, UserId, UserRef};
use bongsu_node::Node;
use bongsu_node::displays::PresetRef;
use bongsu_node::usecases::operate::{Operator, nick_refused};

use crate::settings::{LogFormat, ServerSettings, Tcps};

/// Number, and names in Korean, English, Japanese and Chinese.
const USERS: [(i64, [&str; 4]); 3] = [
    (1, ["하나", "Hana", "ハナ", "哈娜"]),
    (2, ["두리", "Duri", "ドゥリ", "杜利"]),
    (3, ["세나", "Sena", "セナ", "世娜"]),
];
const LANGUAGES: [&str; 4] = ["ko", "en", "ja", "zh-TW"];
const ROOMS: [(i64, &str); 2] = [(1, "general"), (2, "lounge")];
/// A car that can be played by `bongsu device simulate`.
const CAR: &str = "car-1234";
/// A preset for a display that need not be there yet.
const PRESET: &str = "hello";
const DISPLAY: &str = "Display_01";
const PROGRAM: &str = "echo hello; sleep 30";
/// How long the shown token is good for.
const TOKEN_MS: u64 = 12 * 3_600_000;

/// Refuses addresses that others can reach.
pub(super) fn only_at_home(server: &ServerSettings) -> anyhow::Result<()> {
    let tcps = match server.tcps {
        Tcps::At(address) => Some(address),
        Tcps::Usual | Tcps::Off => None,
    };
    let secured = [("--https", server.https), ("--tcps", tcps)];
    let secured = secured.into_iter().filter_map(|(flag, at)| Some((flag, at?)));
    for (flag, address) in [("--http", server.http), ("--tcp", server.tcp)]
        .into_iter()
        .chain(secured)
    {
        if !address.ip().is_loopback() {
            bail!(
                "{flag} {address} with --dev: a demo lets anyone in, so it listens on loopback only (127.0.0.1 or ::1)"
            );
        }
    }
    Ok(())
}

/// Makes what is not there yet, and says what to try.
pub(super) async fn furnish(
    node: &Arc<Node>,
    signer: &Signer,
    (tcp, http): (SocketAddr, SocketAddr),
    server: &ServerSettings,
) -> anyhow::Result<()> {
    let room_token = make(node)
        .await
        .map_err(|refusal| anyhow::anyhow!("demo data cannot be made: {refusal:?}"))?;
    let [first, second] = ["1", "2"].map(|sub| {
        let request = MintRequest {
            sub: sub.to_owned(),
            role: Role::User,
            ttl_ms: TOKEN_MS,
            ..MintRequest::default()
        };
        signer.mint(&request, node.now())
    });
    let third = member_token(node, UserId(3))
        .await
        .map_err(|refusal| anyhow::anyhow!("no demo token can be made: {refusal:?}"))?;
    let tokens = [first, second, third];
    match server.log_format {
        LogFormat::Text => eprintln!("{}", words(&tokens, &room_token, (tcp, http), server)),
        LogFormat::Json => {
            tracing::warn!("demo mode: anyone on this machine can sign in; never for production")
        }
    }
    Ok(())
}

/// An opaque token of a demo user: what the Socket.IO chat is signed in to with.
async fn member_token(node: &Arc<Node>, user: UserId) -> Result<String, Refusal> {
    let token = MemberToken::draw(&*node.ports.chance);
    let by = Operator::api_key("demo".into(), Role::Admin);
    let end = node.now().plus_ms(TOKEN_MS);
    node.add_member_token(&by, user, token.hash(), Some(end)).await?;
    Ok(token.reveal())
}

/// The token of the first room.
async fn make(node: &Arc<Node>) -> Result<String, Refusal> {
    let by = Operator::api_key("demo".into(), Role::Admin);
    let nick_languages_max = node.ports.limits.nick_languages_max;
    for (id, names) in USERS {
        let id = UserId(id);
        if node.user(&by, UserRef::Id(id)).await.is_ok() {
            continue;
        }
        let [ko, en, ..] = names;
        let nick = LANGUAGES
            .into_iter()
            .zip(names)
            .map(|(language, name)| (language.into(), name.into()));
        let picture =
            |kind: &str| Some(format!("https://cdn.example/{kind}{}.png", en.to_lowercase()).into());
        let user = NewUser {
            id: Some(id),
            nickname: Some(ko.into()),
            // Fewer of them where the configuration allows no more.
            nick: LocalizedNick::new(nick.take(nick_languages_max), nick_languages_max)
                .map_err(nick_refused)?,
            profile_img: picture(""),
            profile_thumb: picture("thumb_"),
            region: Some("KR".into()),
            language: Some("ko".into()),
            gender: Some("F".into()),
            ..NewUser::default()
        };
        node.create_user(&by, user).await?;
    }
    let members: Vec<_> = USERS
        .iter()
        .map(|(id, ..)| (UserId(*id), MemberRole::Member))
        .collect();
    for (id, name) in ROOMS {
        if node.room(&by, &RoomRef::Id(RoomId(id))).await.is_ok() {
            continue;
        }
        let room = NewRoom {
            id: Some(RoomId(id)),
            name: Some(name.into()),
            visibility: Visibility::Open,
            members: members.clone(),
            ..NewRoom::default()
        };
        node.create_room(&by, room).await?;
    }
    register(node, &by).await?;
    preset(node, &by).await?;
    node.room(&by, &RoomRef::Id(RoomId(ROOMS[0].0)))
        .await
        .map(|room| room.token.to_string())
}

async fn register(node: &Arc<Node>, by: &Operator) -> Result<(), Refusal> {
    let id = DeviceId::parse(CAR).expect("letters, digits and a dash");
    if node.device(by, &id).await.is_ok() {
        return Ok(());
    }
    let kind = "vehicle".into();
    node.create_device(by, NewDevice { id, kind }).await.map(|_| ())
}

async fn preset(node: &Arc<Node>, by: &Operator) -> Result<(), Refusal> {
    if node.preset(by, &PresetRef::parse(PRESET)).await.is_ok() {
        return Ok(());
    }
    let display = DeviceId::parse(DISPLAY).expect("letters, digits and a line");
    let program = Program {
        shell: true,
        ..Program::new(PROGRAM)
    };
    let new = NewPreset {
        name: PRESET.into(),
        displays: [(display, program)].into(),
    };
    node.create_preset(by, new).await.map(|_| ())
}

fn words(
    [token, second, third]: &[String; 3],
    room_token: &str,
    (tcp, http): (SocketAddr, SocketAddr),
    server: &ServerSettings,
) -> String {
    // As it was called, so that the line works where it is pasted.
    let program = std::env::args().next().unwrap_or_else(|| "bongsu".to_owned());
    let data_dir = server.data_dir.display();
    let (ip, port) = (tcp.ip(), tcp.port());
    format!(
        r#"
*** DEMO: anyone on this machine can sign in. Never for production. ***
*** 데모: 이 컴퓨터의 누구나 로그인할 수 있습니다. 운영 환경에서는 쓰지 마세요. ***

Users 1 하나, 2 두리, 3 세나 are in rooms 1 (general) and 2 (lounge). The token of room general: {room_token}
사용자 1 하나, 2 두리, 3 세나가 1번(general)과 2번(lounge) 방에 있습니다. general 방의 토큰: {room_token}

Try it / 해 보기:    nc {ip} {port}
Then paste these lines, one by one / 다음 줄을 하나씩 붙여 넣으세요:
{{"action":"CONNECT","data":{{"jwt_token":"{token}"}},"seq_id":"1"}}
{{"action":"SEND_MESSAGE","data":{{"chatroom_id":1,"content":"안녕하세요","message_type":"text"}},"seq_id":"2"}}

In a browser / 브라우저에서:    http://{http}/docs  (every message and every call / 모든 메시지와 호출)
Then in its console, as user 2 / 그 페이지의 콘솔에서 2번 사용자로:
ws = new WebSocket("ws://{http}/ws"); ws.onmessage = e => console.log(e.data)
await new Promise(open => ws.onopen = open)
ws.send('{{"type":"auth","data":{{"token":"{second}"}}}}')
ws.send('{{"type":"chat.message","data":{{"room":"general","text":"hello"}},"id":"1"}}')

With Socket.IO, in node, as user 3 / Socket.IO로, node에서 3번 사용자로:    npm install socket.io-client
socket = require("socket.io-client").io("http://{http}"); socket.onAny(console.log)
socket.emit("postinit_req", {{ token: "{third}" }})
socket.emit("message", {{ to: {{ type: "ROOM", token: "{room_token}" }}, content: "안녕" }}, console.log)

Another user / 다른 사용자로:    {program} tail --room general --as 3 --url http://{http} --data-dir {data_dir}

A car, and what it is told to do / 자동차 한 대와 원격 명령:
{program} device simulate --device {CAR} --url ws://{http}/device --data-dir {data_dir}
{program} command {CAR} window.set position=open --url http://{http} --data-dir {data_dir}

A display, the preset that runs there, and what it has written / 디스플레이 한 대와 프리셋 실행, 그 출력:
{program} agent --server http://{http} --name {DISPLAY} --allow-any
{program} preset run {PRESET} --wait --url http://{http} --data-dir {data_dir}
{program} display show {DISPLAY} --url http://{http} --data-dir {data_dir}
{program} agent logs
"#
    )
}
