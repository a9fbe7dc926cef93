// Shows the session as it is now. Without this script, as it was when the page was made.
const panel = document.getElementById("session-panel");
const tabs = new BroadcastChannel("tea shop");

async function refresh() {
  const response = await fetch("/demo/session").catch(() => null); // the page is being left, or the demo has stopped
  if (response?.ok) panel.innerHTML = await response.text();
}

// This page may have written the session: other tabs look again, and this one does when it is looked at again.
refresh();
tabs.postMessage("written");
tabs.addEventListener("message", refresh);
document.addEventListener("visibilitychange", () => document.hidden || refresh());

// Screen readers say what is put into a status, not what was there from the start.
const flashes = document.querySelector(".flashes");
if (flashes) flashes.replaceChildren(...flashes.children);
