// ws.js - WebSockets of node's ws package, as a client and as a server.
//
//   node ws.js client URL [OPTIONS]   sends messages of many sizes to an echo
//   node ws.js server                 sends them to whoever connects
//
// Prints "OK" when all came back as they were.
const WebSocket = require("ws");
const options = JSON.parse(process.argv[4] || "{}");

const sizes = [0, 1, 125, 126, 127, 128, 1000, 65535, 65536, 70000, 1 << 20];

function exchange(ws, done) {
    const sent = [];
    for (const size of sizes) {
        const body = Buffer.alloc(size, "0123456789abcdef" + size);
        sent.push([body, true], [body, false]);
    }
    let at = 0;
    let pongs = 0;
    ws.on("message", (data, binary) => {
        const [body, as] = sent[at++];
        if (binary !== as || !body.equals(data))
            done(`message ${at} of ${body.length} bytes is another`);
        if (at === sent.length) ws.close(4000, "enough");
    });
    ws.on("pong", (data) => (pongs += data.toString() === "there?"));
    ws.on("close", (code) => {
        if (at !== sent.length) done(`closed with ${code} after ${at}`);
        else if (code !== 4000) done(`closed with ${code}`);
        else done(pongs === 1 ? "OK" : "no pong");
    });
    for (const [body, binary] of sent) ws.send(body, { binary });
    ws.ping("there?");
    setTimeout(() => done("took too long"), 30000).unref();
}

function done(text) {
    console.log(text);
    process.exit(text === "OK" ? 0 : 1);
}

if (process.argv[2] === "client") {
    const ws = new WebSocket(process.argv[3], options);
    ws.on("error", (error) => done(error.message));
    ws.on("open", () => exchange(ws, done));
} else {
    const server = new WebSocket.Server({
        host: "127.0.0.1", port: 0, maxPayload: 1 << 24, ...options });
    server.on("listening", () =>
        console.log(`listening on http://127.0.0.1:${server.address().port}`));
    server.on("connection", (ws) => exchange(ws, (text) => {
        console.log(text);
        ws.terminate();
    }));
}
