"use strict";

const at = (id) => document.getElementById(id);
const percent = (share) => (100 * share).toFixed(share < 0.1 ? 1 : 0) + " %";
let maxBytes = 0;
let stream = null;
let requests = 0;

function setStatus(text, problem = false) {
  at("status").textContent = text;
  at("status").classList.toggle("problem", problem);
}

async function loadAbout() {
  const model = await (await fetch("/about")).json();
  maxBytes = model.bytes;
  const names = model.classes.slice(0, 20).join(", ") + (model.classes.length > 20 ? " and more" : "");
  at("about").textContent = `${model.name} knows ${model.classes.length} classes: ${names}.`;
}

async function predict(file) {
  const request = ++requests; // only the result of the latest image is shown
  at("result").hidden = true;
  if (maxBytes && file.size > maxBytes) {
    setStatus(`The file is too large: the limit is ${maxBytes / 1e6} MB.`, true);
    return;
  }
  setStatus("Predicting …");
  try {
    const response = await fetch("/predict", {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body: file,
    });
    const result = response.ok ? await response.json() : await response.json().catch(() => ({}));
    if (request !== requests) return;
    if (!response.ok) {
      setStatus(result.problem || "The server failed; see its log for the reason.", true);
      return;
    }
    showResult(result);
    setStatus("Done.");
  } catch (error) {
    if (request === requests) setStatus("The server does not answer; is it still running?", true);
  }
}

function showResult(result) {
  const [first] = result.guesses;
  const verdict = at("verdict");
  verdict.classList.toggle("unknown", result.unknown);
  verdict.textContent = result.unknown
    ? `Probably none of the classes: only ${percent(result.p_known)} of known images look at least as unusual.`
    : `Probably ${first.name}. ${percent(result.p_known)} of known images look at least as unusual.`;
  at("guesses").replaceChildren(...result.guesses.map(makeGuess));
  at("input").replaceChildren(makeImage(result.seen, "The image, cropped and resized as the model takes it"));
  at("heat-figure").hidden = !result.heat;
  at("no-heat").hidden = Boolean(result.heat);
  if (result.heat) {
    at("heat").replaceChildren(makeImage(result.heat, `The image, with bright colours where the evidence for ${first.name} is`));
    at("heat-caption").textContent = `Heat map for ${first.name}: lighter colours mean more evidence`;
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
    predict(blob);
  }, "image/jpeg", 0.92);
}

function dropped(event) {
  event.preventDefault();
  at("drop").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) predict(file);
  else setStatus("This is not a file: save the image first, then drop it here or choose it.", true);
}

at("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) predict(file);
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
loadAbout();
