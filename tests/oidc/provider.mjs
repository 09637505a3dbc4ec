// A certified OpenID provider, which the tests start and steer. It speaks on loopback alone.
//
// Told by the first argument, as JSON: { clients: [{ id, secret, method, redirects }] }.
// Prints {"issuer": …} on its first line. People are whoever a request's login_hint names, an
// address; /steer (POST, JSON) changes what happens next: { refuse, unverified, rotate }.

import { createServer } from "node:http";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import Provider from "oidc-provider";

const told = JSON.parse(process.argv[2]);
const steered = { refuse: false, unverified: false };

function key() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: randomUUID() };
}

// It takes a secret in the header or in the form, whichever of the two a client registered. Here
// each client is held to its own.
async function holdToMethod(ctx, next) {
  await next();
  const client = ctx.path === "/token" && ctx.oidc?.client;
  if (!client) return;
  const method = ctx.get("authorization") ? "client_secret_basic" : "client_secret_post";
  if (method === client.tokenEndpointAuthMethod) return;
  ctx.status = 401;
  ctx.body = { error: "invalid_client" };
}

function open(issuer, keys) {
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: told.clients.map(({ id, secret, method, redirects }) => ({
      client_id: id,
      client_secret: secret,
      token_endpoint_auth_method: method,
      redirect_uris: redirects,
    })),
    clientAuthMethods: told.clients.map(({ method }) => method),
    pkce: { methods: ["S256"], required: () => true },
    claims: {
      openid: ["sub"],
      email: ["email", "email_verified"],
      profile: ["given_name", "family_name", "picture"],
    },
    cookies: { keys: ["of this process alone"] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => ({
        sub,
        email: sub,
        email_verified: !steered.unverified,
        given_name: "Ada",
        family_name: "Lovelace",
      }),
    }),
  });
  provider.use(holdToMethod);
  provider.on("server_error", (_, error) => console.error(error));
  return provider;
}

// Whoever a browser would show a form to is signed in, and agrees unless told to refuse.
async function interact(provider, request, response) {
  const { params, prompt, grantId, session } = await provider.interactionDetails(request, response);
  if (steered.refuse) {
    const refused = { error: "access_denied", error_description: "not today" };
    await provider.interactionFinished(request, response, refused);
    return;
  }
  if (prompt.name === "login") {
    const login = { accountId: params.login_hint ?? "ada@example.org" };
    await provider.interactionFinished(request, response, { login });
    return;
  }
  const found = grantId && (await provider.Grant.find(grantId));
  const grant =
    found || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consent = { grantId: await grant.save() };
  const merged = { mergeWithLastSubmission: true };
  await provider.interactionFinished(request, response, { consent }, merged);
}

async function steer(request) {
  let body = "";
  for await (const piece of request) body += piece;
  const { rotate, ...rest } = JSON.parse(body);
  Object.assign(steered, rest);
  if (rotate) provider = open(issuer, [key()]);
}

let issuer;
let provider;
const server = createServer(async (request, response) => {
  try {
    if (request.url === "/steer") {
      await steer(request);
      response.writeHead(204).end();
    } else if (request.url.startsWith("/interaction/")) {
      await interact(provider, request, response);
    } else {
      await provider.callback()(request, response);
    }
  } catch (error) {
    console.error(error);
    if (!response.headersSent) response.writeHead(500).end();
  }
});

server.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  provider = open(issuer, [key()]);
  console.log(JSON.stringify({ issuer }));
});

// Whoever started it is gone: so is it.
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
