"use strict";

const at = (id) => document.getElementById(id);
const percent = (share) => (100 * share).toFixed(share < 0.1 ? 1 : 0) + " %";
let maxBytes = 0;
let stream = null;
let requests = 0;
let samples = 0;
let sampled = 0;

function setStatus(text, problem = false) {
  at("status").textContent = text;
  at("status").classList.toggle("problem", problem);
}

async function loadAbout() {
  const model = await (await fetch("/about")).json();
  maxBytes = model.bytes;
  samples = model.samples;
  at("sample").hidden = !samples;
  const names = model.classes.slice(0, 20).join(", ") + (model.classes.length > 20 ? " and more" : "");
  at("about").textContent = `${model.name} knows ${model.classes.length} classes: ${names}.`;
}

async function predict(files) {
  const request = ++requests; // only the results of the latest images are shown
  at("result").hidden = at("several").hidden = true;
  at("list").replaceChildren();
  let failed = 0;
  for (const [place, file] of files.entries()) {
    setStatus(files.length > 1 ? `Predicting ${place + 1} of ${files.length} …` : "Predicting …");
    const answer = await ask(file);
    if (request !== requests) return;
    failed += "problem" in answer;
    if (files.length > 1) addToList(file, answer, place);
    if ("problem" in answer && files.length === 1) {
      setStatus(answer.problem, true);
      return;
    }
    if (!("problem" in answer) && at("result").hidden) choose(answer, at("list").lastElementChild);
  }
  setStatus(failed ? `Done; ${failed} of ${files.length} could not be read.` : "Done.", failed > 0);
}

async function ask(file) {
  if (maxBytes && file.size > maxBytes) return { problem: `The file is too large: the limit is ${maxBytes / 1e6} MB.` };
  try {
    const response = await fetch("/predict", {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body: file,
    });
    if (response.ok) return await response.json();
    const { problem } = await response.json().catch(() => ({}));
    return { problem: problem || "The server failed; see its log for the reason." };
  } catch (error) {
    return { problem: "The server does not answer; is it still running?" };
  }
}

function addToList(file, answer, place) {
  const item = document.createElement("li"), button = document.createElement("button");
  const name = document.createElement("span"), words = document.createElement("span");
  button.type = "button";
  button.setAttribute("aria-pressed", "false");
  name.className = "file";
  name.textContent = file.name || `image ${place + 1}`;
  if ("problem" in answer) {
    button.disabled = true;
    words.textContent = answer.problem;
  } else {
    const [first] = answer.guesses;
    button.append(makeImage(answer.seen, ""));
    words.textContent = answer.unknown ? "probably none of the classes" : `${first.name} ${percent(first.probability)}`;
    button.addEventListener("click", () => choose(answer, item));
  }
  button.append(words, name);
  item.append(button);
  at("list").append(item);
  at("several").hidden = false;
}

function choose(answer, item) {
  for (const button of document.querySelectorAll("#list button")) button.setAttribute("aria-pressed", "false");
  item?.firstElementChild.setAttribute("aria-pressed", "true");
  showResult(answer);
}

async function trySample() {
  const response = await fetch(`/sample/${sampled++ % samples}`);
  if (response.ok) predict([await response.blob()]);
  else setStatus("There is no sample picture.", true);
}

function showResult(result) {
  const [first] = result.guesses;
  const verdict = at("verdict");
  verdict.classList.toggle("unknown", result.unknown);
  verdict.textContent = result.p_known === undefined
    ? (first ? result.guesses.map((guess) => guess.name).join(", ") : "None of the labels reaches 50 %.")
    : result.unknown
    ? `Probably none of the classes: only ${percent(result.p_known)} of known images look at least as unusual.`
    : `Probably ${first.name}. ${percent(result.p_known)} of known images look at least as unusual.`;
  at("guesses").replaceChildren(...result.guesses.map(makeGuess));
  at("input").replaceChildren(makeImage(result.seen, "The image, cropped and resized as the model takes it"));
  const evidence = first ? first.name : "the likeliest label";
  at("heat-figure").hidden = !result.heat;
  at("no-heat").hidden = Boolean(result.heat);
  if (result.heat) {
    at("heat").replaceChildren(makeImage(result.heat, `The image, with bright colours where the evidence for ${evidence} is`));
    at("heat-caption").textContent = `Heat map for ${evidence}: lighter colours mean more evidence`;
  }
  at("result").hidden = false;
}

function makeImage(source, text) {
  const image = document.createElement("img");
  image.src = source;
  image.alt = text;
  return image;
}

function makeGuess(guess) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  const share = document.createElement("span");
  const bar = document.createElement("meter");
  name.className = "name";
  name.textContent = guess.name;
  share.className = "share";
  if (guess.value !== undefined) {
    share.textContent = String(Number(guess.value.toPrecision(6)));
    item.append(name, share);
    return item;
  }
  share.textContent = percent(guess.probability);
  bar.value = guess.probability;
  bar.setAttribute("aria-label", `probability of ${guess.name}`);
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
    setStatus("The camera cannot be used: it is missing, or access was denied.", true);
    return;
  }
  at("video").srcObject = stream;
  at("live").hidden = false;
  setStatus("");
  await at("video").play().catch(() => {}); // stopped before it began
}

function shoot() {
  const video = at("video");
  if (!video.videoWidth) {
    setStatus("The camera is not ready yet; try again in a moment.", true);
    return;
  }
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => {
    stopCamera();
    predict([blob]);
  }, "image/jpeg", 0.92);
}

function dropped(event) {
  event.preventDefault();
  at("drop").classList.remove("over");
  const files = [...event.dataTransfer.files];
  if (files.length) predict(files);
  else setStatus("This is not a file: save the image first, then drop it here or choose it.", true);
}

at("file").addEventListener("change", (event) => {
  const files = [...event.target.files];
  if (files.length) predict(files);
  event.target.value = "";
});
at("sample").addEventListener("click", trySample);
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
loadAbout();
