// The page behind /docs: asks for a token, then shows the document of one version with Swagger UI. The token lives in
// this script's variables: in no URL, no storage, and not in what Swagger UI keeps or prints.
"use strict";
(() => {
  const base = location.pathname.replace(/\/docs\/?$/, "");
  const by = (id) => document.getElementById(id);
  const LONGEST = 1 << 20; // characters of an answer that are shown
  let user = "";
  let token = "";

  const credentials = () => ({
    ...(user ? { "X-SLURM-USER-NAME": user } : {}),
    ...(token ? { "X-SLURM-USER-TOKEN": token } : {}),
  });

  /** `fetch` with the token, to nobody but who gave us this page. */
  const ask = (url, options = {}) => {
    if (new URL(url, location.href).origin !== location.origin) {
      return Promise.reject(new TypeError("not this slurmrestd"));
    }
    return fetch(url, {
      method: options.method,
      body: options.body,
      signal: options.signal,
      headers: { ...options.headers, ...credentials() },
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
  };

  const say = (text, failed = false) => {
    by("status").textContent = text;
    by("status").classList.toggle("failed", failed);
  };

  const document_at = async (path) => {
    const answer = await ask(base + path);
    if (answer.status === 401) {
      throw new Error(token ? "slurmrestd does not take this token." : "slurmrestd wants a token here.");
    }
    if (!answer.ok) {
      throw new Error(`${answer.status}: ${await answer.text()}`);
    }
    return answer.json();
  };

  const nothing = () => () => null;
  /** Who asks and what is asked are this page's: Swagger UI's own places for them are left out. */
  const ours = () => ({
    wrapComponents: {
      authorizeBtn: nothing,
      authorizeOperationBtn: nothing,
      ServersContainer: nothing,
      FilterContainer: nothing,
      info: nothing,
    },
    // who is quicker with "Execute" than Swagger UI with what it shows of an operation means the same operation
    statePlugins: {
      spec: {
        wrapActions: {
          executeRequest: (original, system) => (request) => {
            const at = ["paths", request.pathName, request.method];
            const operation = system.specSelectors.specJsonWithResolvedSubtrees().getIn(at);
            return original({ ...request, operation: operation ?? request.operation });
          },
        },
      },
    },
    fn: {
      opsFilter: (tagged, phrase) => {
        const wanted = phrase.toLowerCase();
        const fits = (one) => `${one.get("method")} ${one.get("path")}`.toLowerCase().includes(wanted);
        return tagged
          .map((tag) => tag.set("operations", tag.get("operations").filter(fits)))
          .filter((tag) => tag.get("operations").size);
      },
    },
  });

  const clear = () => {
    const place = document.createElement("main");
    place.id = "explorer";
    by("explorer").replaceWith(place);
    return place;
  };

  let shown = 0;
  let swagger = null;

  const show = async (version) => {
    const turn = ++shown;
    say(`Loading ${version} ...`);
    const spec = await document_at(`/docs/versions/${encodeURIComponent(version)}`);
    if (turn !== shown) {
      return;
    }
    delete spec.security;
    delete spec.components.securitySchemes;
    spec.servers = [{ url: base || "/" }];
    say("");
    swagger = SwaggerUIBundle({
      domNode: clear(),
      spec,
      presets: [SwaggerUIBundle.presets.apis],
      plugins: [ours],
      layout: "BaseLayout",
      docExpansion: "list",
      defaultModelsExpandDepth: -1,
      defaultModelRendering: "model",
      deepLinking: false,
      displayRequestDuration: true,
      operationsSorter: "alpha",
      persistAuthorization: false,
      queryConfigEnabled: false,
      showMutatedRequest: true,
      syntaxHighlight: { theme: "agate" },
      tryItOutEnabled: true,
      validatorUrl: null,
      requestInterceptor: (request) => {
        request.userFetch = ask;
        request.curlOptions = [
          ...(user ? [`-H 'X-SLURM-USER-NAME: ${user.replaceAll("'", "'\\''")}'`] : []),
          ...(token ? ['-H "X-SLURM-USER-TOKEN: $SLURM_JWT"'] : []),
        ];
        return request;
      },
      responseInterceptor: (response) => {
        const { text } = response;
        if (typeof text === "string" && text.length > LONGEST) {
          const whole = Math.round(text.length / 1e5) / 10;
          response.text = response.data = `${text.slice(0, LONGEST)}\n[the rest of ${whole} MB is left out here]`;
          response.body = response.obj = undefined;
        }
        return response;
      },
    });
    if (by("find").value) {
      swagger.layoutActions.updateFilter(by("find").value);
    }
  };

  const failed = (error) => {
    shown++;
    say(error.message === "Failed to fetch" ? "slurmrestd does not answer." : error.message, true);
  };

  const forget = () => {
    user = token = by("user").value = by("token").value = by("find").value = "";
    by("version").replaceChildren();
    for (const id of ["choice", "search", "forget"]) {
      by(id).hidden = true;
    }
    shown++;
    clear();
    say("Forgotten.");
  };

  const connect = async () => {
    user = by("user").value.trim();
    token = by("token").value.trim().replace(/^(?:export\s+)?SLURM_JWT=/, "");
    const versions = await document_at("/docs/versions");
    const chosen = by("version").value;
    by("version").replaceChildren(...versions.map((name) => new Option(name, name, false, name === chosen)));
    for (const id of ["choice", "search", "forget"]) {
      by(id).hidden = false;
    }
    await show(by("version").value);
  };

  by("connect").addEventListener("submit", (event) => {
    event.preventDefault();
    connect().catch(failed);
  });
  by("forget").addEventListener("click", forget);
  by("version").addEventListener("change", () => show(by("version").value).catch(failed));
  by("find").addEventListener("input", () => swagger?.layoutActions.updateFilter(by("find").value || true));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const tint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", tint);
  tint();
})();
