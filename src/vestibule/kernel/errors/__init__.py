"""Everything the package says no to.

    VestibuleError
    ├── Refusal                 the answer is no, and what was written while finding out stays
    │   ├── BadCredentials
    │   ├── NoAccount
    │   ├── ProofRefused
    │   ├── TokenRefused
    │   └── AddressNotProved
    ├── BadInput                the request cannot be understood
    │   ├── MalformedBody
    │   ├── WrongMediaType
    │   ├── InvalidFields
    │   ├── IdentifierMissing
    │   ├── InvalidAddress
    │   ├── InvalidUsername
    │   └── WeakPassword
    ├── TryLater                the same request may work after `retry_after`
    │   ├── TooManyAttempts
    │   ├── Busy
    │   └── DatabaseUnavailable
    ├── UsernameTaken
    ├── AddressTaken
    ├── NotSignedIn
    ├── RoleRequired
    ├── BeyondPowers
    ├── NotOneself
    ├── ScopeRequired
    ├── ReauthenticationRequired
    ├── SessionRequired
    ├── NoCodeByLetter
    ├── ProviderUnknown
    ├── StateRefused
    ├── ProviderRefused
    ├── ProviderFailed
    ├── IdentityUnknown
    ├── IdentityTaken
    ├── LastWayIn
    ├── TooManyApiKeys
    ├── RoleUnknown
    ├── AccountUnknown
    ├── LetterUnknown
    ├── SessionUnknown
    ├── ApiKeyUnknown
    ├── SigningKeyUnknown
    ├── CrossSite
    ├── WrongHost
    └── HttpsRequired
    CannotStart                 before anything is served: settings, schema, port

No class here knows about HTTP. Which status, which wording and which envelope a caller gets is
decided by the surface that answers.
"""

from vestibule.kernel.errors.admission import (
    AddressNotProved,
    BadCredentials,
    BeyondPowers,
    Busy,
    CrossSite,
    DatabaseUnavailable,
    HttpsRequired,
    NoCodeByLetter,
    NotOneself,
    NotSignedIn,
    ProofRefused,
    ReauthenticationRequired,
    RoleRequired,
    ScopeRequired,
    SessionRequired,
    TokenRefused,
    TooManyAttempts,
    Why,
    WrongHost,
)
from vestibule.kernel.errors.existence import (
    AccountUnknown,
    AddressTaken,
    ApiKeyUnknown,
    LetterUnknown,
    RoleUnknown,
    SessionUnknown,
    SigningKeyUnknown,
    TooManyApiKeys,
    UsernameTaken,
)
from vestibule.kernel.errors.federation import (
    IdentityTaken,
    IdentityUnknown,
    LastWayIn,
    NoAccount,
    ProviderFailed,
    ProviderRefused,
    ProviderUnknown,
    StateRefused,
)
from vestibule.kernel.errors.reading import (
    FieldError,
    IdentifierMissing,
    InvalidAddress,
    InvalidFields,
    InvalidUsername,
    MalformedBody,
    WeakPassword,
    WrongMediaType,
)
from vestibule.kernel.errors.roots import (
    BadInput,
    CannotStart,
    Refusal,
    TryLater,
    VestibuleError,
)

__all__ = (
    "AccountUnknown",
    "AddressNotProved",
    "AddressTaken",
    "ApiKeyUnknown",
    "BadCredentials",
    "BadInput",
    "BeyondPowers",
    "Busy",
    "CannotStart",
    "CrossSite",
    "DatabaseUnavailable",
    "FieldError",
    "HttpsRequired",
    "IdentifierMissing",
    "IdentityTaken",
    "IdentityUnknown",
    "InvalidAddress",
    "InvalidFields",
    "InvalidUsername",
    "LastWayIn",
    "LetterUnknown",
    "MalformedBody",
    "NoAccount",
    "NoCodeByLetter",
    "NotOneself",
    "NotSignedIn",
    "ProofRefused",
    "ProviderFailed",
    "ProviderRefused",
    "ProviderUnknown",
    "ReauthenticationRequired",
    "Refusal",
    "RoleRequired",
    "RoleUnknown",
    "ScopeRequired",
    "SessionRequired",
    "SessionUnknown",
    "SigningKeyUnknown",
    "StateRefused",
    "TokenRefused",
    "TooManyApiKeys",
    "TooManyAttempts",
    "TryLater",
    "UsernameTaken",
    "VestibuleError",
    "WeakPassword",
    "Why",
    "WrongHost",
    "WrongMediaType",
)
