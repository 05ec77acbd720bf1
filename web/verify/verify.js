// Hands a proof and a trust file to the judge (WebAssembly), and shows what it says.
// `AFFIANT_VERIFY_WASM` comes from verify.wasm.js: the module in base64, so that the page also works
// from a file, where a browser fetches nothing.
"use strict";

const WORDS = {
  ok: "Holds: the log has this entry",
  no: "Does not hold",
  untrusted: "Not by a key that you trust",
  incomplete: "Could not be told",
};

const byId = (id) => document.getElementById(id);
let proofBytes = null;

const ready = (async () => {
  const module = Uint8Array.from(atob(AFFIANT_VERIFY_WASM), (c) => c.charCodeAt(0));
  const { instance } = await WebAssembly.instantiate(module, {});
  return instance.exports;
})();

async function judge(proof, trust) {
  const wasm = await ready;
  for (const [which, bytes] of [[0, proof], [1, trust]]) {
    const at = wasm.input(which, bytes.length);
    if (at === 0) throw new Error("the file is too large");
    new Uint8Array(wasm.memory.buffer, at, bytes.length).set(bytes);
  }
  const length = wasm.verify();
  const answer = new Uint8Array(wasm.memory.buffer, wasm.output(), length).slice();
  return JSON.parse(new TextDecoder().decode(answer));
}

// All text goes in as text: nothing of a proof is ever markup.
function list(id, part, lines) {
  byId(part).hidden = lines.length === 0;
  byId(id).replaceChildren(...lines.map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
}

function show(answer) {
  const error = answer.error;
  const verdict = error ? "no" : answer.verdict;
  byId("answer").hidden = false;
  byId("verdict").className = verdict;
  byId("verdict").textContent = error
    ? (error.code === "trust" ? "Your trust file cannot be read" : "This is not a proof")
    : WORDS[verdict] ?? verdict;
  const about = error ? [] : [answer.kind, answer.source && `of ${answer.source}`, answer.time].filter(Boolean);
  byId("summary").textContent = error
    ? ""
    : `Leaf ${answer.index} of ${answer.origin}: ${about.join(" ")}`;
  list("wrong", "wrong-part", error ? [error.text] : answer.findings.map((found) => found.fault.text));
  list("checked", "checked-part", error ? [] : answer.checked);
  list("not-checked", "not-part", error ? [] : answer.not_checked);
  byId("entry-part").hidden = Boolean(error);
  byId("entry").textContent = error ? "" : answer.entry;
  document.body.dataset.verdict = error ? error.code : verdict;
  byId("verdict").focus();
}

async function run() {
  const trust = new TextEncoder().encode(byId("trust").value.replace(/\s*$/, "\n"));
  try {
    show(await judge(proofBytes ?? new Uint8Array(), trust));
  } catch (error) {
    show({ error: { code: "page", text: String(error.message ?? error) } });
  }
}

async function takeProof(file) {
  proofBytes = new Uint8Array(await file.arrayBuffer());
  byId("proof-name").textContent = `${file.name}, ${proofBytes.length} bytes`;
}

function drops(id, take) {
  const zone = byId(id);
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  });
}

byId("proof").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) takeProof(file);
});
drops("proof-drop", takeProof);
drops("trust-drop", async (file) => { byId("trust").value = await file.text(); });
byId("form").addEventListener("submit", (event) => { event.preventDefault(); run(); });
