"use strict";

const at = (id) => document.getElementById(id);
const percent = (share) => (100 * share).toFixed(share < 0.1 ? 1 : 0) + " %";
let most = 0;
let stream = null;
let asked = 0;

function tell(words, problem = false) {
  at("status").textContent = words;
  at("status").classList.toggle("problem", problem);
}

async function about() {
  const said = await (await fetch("/about")).json();
  most = said.bytes;
  const names = said.classes.slice(0, 20).join(", ") + (said.classes.length > 20 ? " and more" : "");
  at("about").textContent = `${said.name} knows ${said.classes.length} classes: ${names}.`;
}

async function ask(file) {
  const mine = ++asked; // whoever gives another picture meanwhile waits for that one's answer
  at("result").hidden = true;
  if (most && file.size > most) {
    tell(`The file is too large: up to ${most / 1e6} MB are taken.`, true);
    return;
  }
  tell("Looking at it …");
  try {
    const response = await fetch("/predict", {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body: file,
    });
    const said = response.ok ? await response.json() : await response.json().catch(() => ({}));
    if (mine !== asked) return;
    if (!response.ok) {
      tell(said.problem || "The server could not answer; where it runs it says why.", true);
      return;
    }
    show(said);
    tell("Done.");
  } catch (error) {
    if (mine === asked) tell("The server does not answer; is it still running?", true);
  }
}

function show(said) {
  const [first] = said.guesses;
  const verdict = at("verdict");
  verdict.classList.toggle("unknown", said.unknown);
  verdict.textContent = said.unknown
    ? `None of the classes, it seems: only ${percent(said.p_known)} of known pictures look as strange.`
    : `${first.name}, it seems. ${percent(said.p_known)} of known pictures look as strange or stranger.`;
  at("guesses").replaceChildren(...said.guesses.map(guess));
  at("seen").replaceChildren(picture(said.seen, "The picture, cut and scaled as the model takes it"));
  at("heat-figure").hidden = !said.heat;
  at("no-heat").hidden = Boolean(said.heat);
  if (said.heat) {
    at("heat").replaceChildren(picture(said.heat, `The picture, brightly coloured where it speaks for ${first.name}`));
    at("heat-words").textContent = `Where the model looks for ${first.name}: the lighter the colour, the more`;
  }
  at("result").hidden = false;
}

function picture(source, words) {
  const image = document.createElement("img");
  image.src = source;
  image.alt = words;
  return image;
}

function guess(one) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  const share = document.createElement("span");
  const bar = document.createElement("meter");
  name.className = "name";
  name.textContent = one.name;
  share.className = "share";
  share.textContent = percent(one.probability);
  bar.value = one.probability;
  bar.setAttribute("aria-label", `probability of ${one.name}`);
  item.append(name, share, bar);
  return item;
}

function stopCamera() {
  if (stream) stream.getTracks().forEach((track) => track.stop());
  stream = null;
  at("live").hidden = true;
}

async function startCamera() {
  stopCamera(); // or a second click would leave the first one on
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    tell("The camera cannot be used: it is missing, or was not allowed.", true);
    return;
  }
  at("video").srcObject = stream;
  at("live").hidden = false;
  tell("");
  await at("video").play().catch(() => {}); // stopped before it began
}

function shoot() {
  const video = at("video");
  if (!video.videoWidth) {
    tell("The camera shows nothing yet; try again in a moment.", true);
    return;
  }
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => {
    stopCamera();
    ask(blob);
  }, "image/jpeg", 0.92);
}

function dropped(event) {
  event.preventDefault();
  at("drop").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) ask(file);
  else tell("That is no file: save the picture first, then drop it here or choose it.", true);
}

at("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) ask(file);
  event.target.value = "";
});
at("camera").addEventListener("click", startCamera);
at("stop").addEventListener("click", stopCamera);
at("shoot").addEventListener("click", shoot);
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    at("drop").classList.add("over");
  });
}
document.addEventListener("dragleave", () => at("drop").classList.remove("over"));
document.addEventListener("drop", dropped);
about();
