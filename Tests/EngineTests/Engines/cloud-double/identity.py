"""Who may call: SigV4 signatures recomputed with botocore's own signer, service account tokens verified with the
public key, and the places where machines find credentials (instance metadata, containers, Google's metadata)."""

import base64
import datetime
import hashlib
import hmac
import json
import os
import re
import secrets
import time
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from contracts import VERTEX, Refusal
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

REGION, ACCOUNT, PROJECT = "us-east-1", "123456789012", "test-project"
SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request,\s*SignedHeaders=([^,]+),"
    r"\s*Signature=([0-9a-f]{64})"
)
# Google takes this audience whatever the key file's token_uri is; its own client library always sends it.
AUDIENCE = "https://oauth2.googleapis.com/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Identity:
    def __init__(self, state, origin):
        self.origin = origin
        self.aws = kept(f"{state}/aws.json", new_aws)
        self.account = kept(f"{state}/service-account.json", lambda: new_account(origin))
        key = serialization.load_pem_private_key(self.account["private_key"].encode(), None)
        self.public = key.public_key()
        # Seconds that handed out credentials live; tests make them short.
        self.lifetime = 3600.0
        # Temporary AWS keys by id, access tokens of Google by text; a restart forgets both, as a revocation would.
        self.temporary, self.tokens, self.metadata_tokens = {}, {}, set()

    def check_aws(self, headers, method, path, body, service):
        given = SIGNED.fullmatch(headers.get("Authorization", ""))
        if not given:
            raise Refusal(403, "MissingAuthenticationTokenException", "Missing or malformed Authorization")
        key, day, region, scope, signed, signature = given.groups()
        secret = self.secret(key, headers.get("X-Amz-Security-Token"))
        if (region, scope) != (REGION, service):
            raise mismatch(f"Credential should be scoped to {REGION}/{service}, not {region}/{scope}")
        date, names = headers.get("X-Amz-Date", ""), signed.split(";")
        try:
            moment = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        except ValueError:
            raise Refusal(403, "IncompleteSignatureException", "X-Amz-Date") from None
        if abs(time.time() - moment.timestamp()) > 300 or not date.startswith(day):
            raise mismatch(f"Signature expired: {date}")
        for name in ["host", "x-amz-date"] + (["x-amz-security-token"] if "X-Amz-Security-Token" in headers else []):
            if name not in names:
                raise mismatch(f"'{name}' must be a signed header")
        hashed = headers.get("X-Amz-Content-SHA256")
        if hashed and hashed not in (hashlib.sha256(body).hexdigest(), "UNSIGNED-PAYLOAD"):
            raise mismatch("payload hash")
        request = AWSRequest(
            method=method, url=self.origin + path, data=body, headers={name: headers.get(name, "") for name in names}
        )
        request.context["timestamp"] = date
        signer = SigV4Auth(Credentials(key, secret), service, region)
        text = signer.string_to_sign(request, signer.canonical_request(request))
        if not hmac.compare_digest(signer.signature(text, request), signature):
            raise mismatch("The request signature we calculated does not match the signature you provided.")

    def secret(self, key, token):
        if key == self.aws["access_key_id"] and not token:
            return self.aws["secret_access_key"]
        known = self.temporary.get(key)
        if not known or known["token"] != token:
            text = "The security token included in the request is invalid."
            raise Refusal(403, "UnrecognizedClientException", text)
        if known["until"] < time.time():
            raise Refusal(400, "ExpiredTokenException", "The security token included in the request is expired")
        return known["secret"]

    def temporary_keys(self):
        """What instance metadata and container endpoints answer."""
        key, until = "ASIA" + secrets.token_hex(8).upper(), time.time() + self.lifetime
        made = {"secret": secrets.token_urlsafe(30), "token": secrets.token_urlsafe(60), "until": until}
        self.temporary[key] = made
        moment = datetime.datetime.fromtimestamp(until, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": key, "SecretAccessKey": made["secret"],
            "Token": made["token"], "Expiration": moment
        }

    def exchange(self, form):
        """The token endpoint: a signed service account assertion for an access token."""
        fields = dict(urllib.parse.parse_qsl(form.decode()))
        if fields.get("grant_type") != GRANT:
            raise Refusal(400, "unsupported_grant_type", "")
        try:
            head, claims, signature = fields["assertion"].split(".")
            header, claim = json.loads(decoded(head)), json.loads(decoded(claims))
        except (KeyError, ValueError):
            raise denied("Invalid JWT") from None
        if header.get("alg") != "RS256":
            raise denied("alg must be RS256")
        try:
            text = f"{head}.{claims}".encode()
            self.public.verify(decoded(signature), text, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise denied("Invalid JWT Signature.") from None
        if claim.get("iss") != self.account["client_email"]:
            raise denied("Invalid issuer")
        if claim.get("aud") not in (self.account["token_uri"], AUDIENCE):
            raise denied("Invalid audience")
        issued, until = claim.get("iat", 0), claim.get("exp", 0)
        if not (issued - 300 <= time.time() <= until) or until - issued > 3600:
            raise denied("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.")
        if not set(claim.get("scope", "").split()) & set(VERTEX["auth"]["oauth2"]["scopes"]):
            raise Refusal(400, "invalid_scope", "")
        return self.access_token()

    def access_token(self):
        token = "ya29." + secrets.token_urlsafe(24)
        self.tokens[token] = time.time() + self.lifetime
        return {"access_token": token, "expires_in": int(self.lifetime), "token_type": "Bearer"}

    def check_google(self, headers):
        given = headers.get("Authorization", "")
        if not given.startswith("Bearer ") or self.tokens.get(given[7:], 0) < time.time():
            text = "Request had invalid authentication credentials. Expected OAuth 2 access token."
            raise Refusal(401, "UNAUTHENTICATED", text)

    def metadata(self, method, path, headers):
        """Instance metadata of both clouds and the container endpoint; None where the path is none of them."""
        if method == "PUT" and path == "/latest/api/token":
            if "X-aws-ec2-metadata-token-ttl-seconds" not in headers:
                raise Refusal(400, "BadRequest", "no ttl")
            self.metadata_tokens.add(token := secrets.token_urlsafe(20))
            return token
        if path.startswith("/latest/meta-data/"):
            if headers.get("X-aws-ec2-metadata-token") not in self.metadata_tokens:
                raise Refusal(401, "Unauthorized", "no token")
            role = "iam/security-credentials/"
            known = {"placement/region": REGION, role: "double-role", role + "double-role": self.temporary_keys}
            answer = known.get(path.removeprefix("/latest/meta-data/"))
            if answer is None:
                raise Refusal(404, "NotFound", path)
            return answer() if callable(answer) else answer
        if path == "/v2/credentials/double":
            return self.temporary_keys()
        if path.startswith("/computeMetadata/v1/"):
            if headers.get("Metadata-Flavor") != "Google":
                raise Refusal(403, "Forbidden", "Metadata-Flavor")
            if path.endswith("/instance/service-accounts/default/token"):
                return self.access_token()
            if path.endswith("/project/project-id"):
                return PROJECT
            raise Refusal(404, "NotFound", path)
        return None


def mismatch(message):
    return Refusal(403, "InvalidSignatureException", message)


def denied(message):
    return Refusal(400, "invalid_grant", message)


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def kept(path, make):
    """A JSON file for its owner alone, made once."""
    if not os.path.exists(path):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump(make(), file, indent=1)
    with open(path) as file:
        return json.load(file)


def new_aws():
    return {"access_key_id": "AKIA" + secrets.token_hex(8).upper(), "secret_access_key": secrets.token_urlsafe(30)}


def new_account(origin):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return {
        "type": "service_account", "project_id": PROJECT, "private_key_id": secrets.token_hex(20), "private_key": pem,
        "client_email": f"launcher@{PROJECT}.iam.gserviceaccount.com", "token_uri": f"{origin}/token"
    }
