// The page's own words, in each of its languages. What the descriptions say stands as they say it.

const WORDS = {
  en: {
    search: "Search messages, calls, fields",
    loading: "Reading the descriptions …",
    failed: "The descriptions could not be read. Is the server still there?",
    nothing: "Nothing of that name.",
    found: (count) => (count === 1 ? "1 found" : `${count} found`),
    overview: "Overview",
    title: "How to talk to this server",
    intro: "Every protocol meets in one model: what a client of one protocol says is heard by the clients of all. Codes are the contract, texts are for people. Lengths are bytes. A bound that has a name is a setting of the server, of its `[limits]`, and stands here with its default. Ignore fields that you do not know: there will be more.",
    messages: (count) => `${count} messages`,
    calls: (count) => `${count} calls`,
    files: "The descriptions themselves, for generators and validators",
    http: "HTTP API",
    servers: "Servers",
    channel: "Channel",
    envelopes: "Envelopes",
    envelope: {
      request: "Around a request",
      reply: "Around a reply",
      event: "Around an event or a notice",
      error: "Around an error",
    },
    direction: {
      request: "client → server",
      reply: "reply",
      event: "event",
      notice: "notice",
      error: "error",
    },
    named: "What the message is called.",
    holds: "What it says.",
    beside: "Beside `data`",
    values: (count) => `one of ${count}`,
    others: "and whatever else there is",
    errors: "Error codes",
    errorsAbout: "The code is the contract. The text is for people, in the session's language.",
    closes: "Close codes of WebSocket",
    code: "Code",
    text: "Text",
    when: "When",
    reconnect: "Reconnect",
    field: "Field",
    type: "Type",
    meaning: "Meaning",
    required: "required",
    optional: "optional",
    none: "No fields.",
    answeredBy: "Answered by",
    noAnswer: "No answer when all is well.",
    heard: "Others hear",
    answers: "Answers",
    caused: "Because of",
    example: "Example",
    settings: "a setting; this is its default",
    parameters: "Parameters",
    where: { path: "path", query: "query", header: "header" },
    body: "Body",
    mayLack: "may be left out",
    responses: "Answers",
    noBody: "no body",
    open: "open to anybody",
    signed: "token or key",
    types: {
      text: "text", integer: "whole number", number: "number", boolean: "true or false", moment: "moment, UTC",
      object: "object", array: "list of", anything: "anything", null: "null", or: "or", hex: (n) => `${n} hex digits`,
      matching: "text like", bytes: (range) => `${range} bytes`, entries: (max) => `at most ${max}`, always: "always",
    },
    copy: "Copy",
    copied: "Copied",
    link: "Link to this",
    menu: "Index",
    topics: { websocket: "WebSocket" },
  },
  ko: {
    search: "메시지, 호출, 필드 찾기",
    loading: "명세를 읽는 중 …",
    failed: "명세를 읽지 못했습니다. 서버가 켜져 있나요?",
    nothing: "찾는 이름이 없습니다.",
    found: (count) => `${count}개 찾음`,
    overview: "개요",
    title: "이 서버와 대화하는 법",
    intro: "모든 프로토콜은 하나의 모델에서 만납니다. 어느 프로토콜로 보낸 것이든 모든 프로토콜의 클라이언트가 받습니다. 코드가 약속이고 문구는 사람을 위한 것입니다. 길이는 바이트입니다. 이름이 붙은 한계는 서버의 `[limits]` 설정이며 여기에는 기본값이 표시됩니다. 모르는 필드는 무시하세요. 앞으로 더 늘어납니다.",
    messages: (count) => `메시지 ${count}개`,
    calls: (count) => `호출 ${count}개`,
    files: "생성기와 검증기를 위한 명세 원본",
    http: "HTTP API",
    servers: "서버",
    channel: "채널",
    envelopes: "봉투",
    envelope: {
      request: "요청의 봉투",
      reply: "응답의 봉투",
      event: "이벤트와 알림의 봉투",
      error: "오류의 봉투",
    },
    direction: {
      request: "클라이언트 → 서버",
      reply: "응답",
      event: "이벤트",
      notice: "알림",
      error: "오류",
    },
    named: "메시지의 이름.",
    holds: "메시지의 내용.",
    beside: "`data` 옆에 오는 것",
    values: (count) => `${count}가지 가운데 하나`,
    others: "그 밖의 무엇이든",
    errors: "오류 코드",
    errorsAbout: "코드가 약속입니다. 문구는 사람을 위한 것이며 세션의 언어로 옵니다.",
    closes: "WebSocket 종료 코드",
    code: "코드",
    text: "문구",
    when: "언제",
    reconnect: "재연결",
    field: "필드",
    type: "형식",
    meaning: "뜻",
    required: "필수",
    optional: "선택",
    none: "필드가 없습니다.",
    answeredBy: "돌아오는 응답",
    noAnswer: "성공하면 응답이 없습니다.",
    heard: "다른 사람이 받는 것",
    answers: "이 요청의 응답",
    caused: "원인",
    example: "예시",
    settings: "설정값이며, 표시된 것은 기본값입니다",
    parameters: "매개변수",
    where: { path: "경로", query: "쿼리", header: "헤더" },
    body: "본문",
    mayLack: "생략할 수 있음",
    responses: "응답",
    noBody: "본문 없음",
    open: "누구나 가능",
    signed: "토큰 또는 키",
    types: {
      text: "문자열", integer: "정수", number: "수", boolean: "참 또는 거짓", moment: "시각(UTC)",
      object: "객체", array: "목록:", anything: "무엇이든", null: "null", or: "또는", hex: (n) => `16진수 ${n}자리`,
      matching: "문자열", bytes: (range) => `${range}바이트`, entries: (max) => `최대 ${max}개`, always: "항상",
    },
    copy: "복사",
    copied: "복사됨",
    link: "여기로 연결",
    menu: "차례",
    topics: {
      session: "세션", chat: "채팅", rooms: "방", messages: "메시지", calls: "영상 통화", people: "사람", requests: "요청과 거절",
      applications: "애플리케이션", websocket: "WebSocket",
      probes: "상태 점검", users: "사용자", tokens: "토큰", blocks: "차단", members: "구성원", announcements: "공지",
      "video-rooms": "영상 통화방", sessions: "세션", audit: "감사 기록", descriptions: "명세",
    },
  },
};

const KEPT = "bongsu.docs.language";

/// The language that was chosen here before, or else the first of the reader's languages that there is.
export function preferred() {
  const asked = new URLSearchParams(location.search).get("lang");
  const wanted = [asked, kept(), ...navigator.languages].filter(Boolean).map((tag) => tag.split("-")[0]);
  return wanted.find((tag) => tag in WORDS) ?? "en";
}

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

export function keep(language) {
  try {
    localStorage.setItem(KEPT, language);
  } catch {
    // Then it is asked again next time.
  }
}

export const words = (language) => WORDS[language];

/// A topic's or a tag's name for people.
export function topic(said, name) {
  const known = said.topics[name];
  if (known) return known;
  const plain = name.replaceAll(/[_-]/g, " ");
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}
