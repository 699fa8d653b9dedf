// before the first paint: the theme from the address, or the last choice here
(() => {
  const themes = ["dark", "light", "night"];
  const shown = document.documentElement.dataset;
  const asked = new URLSearchParams(location.search).get("theme") ?? localStorage.theme;
  if (themes.includes(asked)) shown.theme = asked;
  addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-button]")) return;
    shown.theme = themes[(themes.indexOf(shown.theme) + 1) % themes.length];
    localStorage.theme = shown.theme;
  });
})();
