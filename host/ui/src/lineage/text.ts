/** Texts that fit into a card: names come from outside, they may be long and run in any direction. */

const ENDLESS = 120;

export class Fitter {
  private readonly known = new Map<string, string>();

  constructor(private readonly measure: (text: string, font: string) => number) {}

  /** As much of a text as fits into this width, isolated so that its direction touches nothing else. */
  fit(text: string, width: number, font: string): string {
    const key = `${Math.round(width)}|${font}|${text.length > ENDLESS ? text.slice(0, ENDLESS) : text}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const fitted = `\u2068${this.cut(text, width, font)}\u2069`;
    if (this.known.size > 20_000) this.known.clear();
    this.known.set(key, fitted);
    return fitted;
  }

  private cut(text: string, width: number, font: string): string {
    // Nobody sees more of it; whole characters, so that no half of one is left.
    const characters = [...text.slice(0, ENDLESS)].map((c) => (/\p{C}|\p{Zl}|\p{Zp}/u.test(c) ? " " : c));
    const whole = characters.join("");
    if (text.length <= ENDLESS && this.measure(whole, font) <= width) return whole;
    let [low, high] = [0, characters.length];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.measure(`${characters.slice(0, middle).join("")}…`, font) <= width) low = middle;
      else high = middle - 1;
    }
    return `${characters.slice(0, low).join("").trimEnd()}…`;
  }
}
