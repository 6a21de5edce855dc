// The chosen theme, before anything is painted. It is a file because the pages allow no script inside of them.
try {
  var theme = localStorage.getItem("tidegate.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch (_) {
  // A browser that keeps nothing shows the system's theme.
}
