import { QueryClientProvider } from "@tanstack/react-query";
import { render } from "preact";
import { queries } from "./api/client";
import { listen } from "./api/live";
import { App } from "./app";
import { Boundary } from "./parts/lazy";
import "./style/tokens.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/pages.css";

listen();
const root = document.getElementById("app");
if (root) {
  render(
    <QueryClientProvider client={queries}>
      <Boundary of="all" isPage>
        <App />
      </Boundary>
    </QueryClientProvider>,
    root,
  );
}
