/** Light or dark: what the system says, until someone chooses. `public/theme.js` does the same before the first paint. */
import { kept } from "./kept";

export const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

export const [theme, setTheme] = kept<Theme>("theme", themes, (value) => {
  if (value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
});

/** The next of the three. */
export function nextTheme(): Theme {
  return themes[(themes.indexOf(theme.value) + 1) % themes.length] ?? "system";
}
