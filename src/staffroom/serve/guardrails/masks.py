"""What stands in the place of what is masked, in the words of the locale."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["mask_for"]

_ZH: Mapping[str, str] = MappingProxyType(
    {
        "national_id": "身分證字號",
        "arc": "統一證號",
        "passport": "護照號碼",
        "health_card": "健保卡號",
        "plate": "車牌號碼",
        "card": "信用卡號",
        "iban": "銀行帳號",
        "mobile": "手機號碼",
        "landline": "電話號碼",
        "email": "電子郵件",
        "address": "地址",
        "ubn": "統一編號",
        "private_key": "私鑰",
        "token": "金鑰",
        "password": "密碼",
    }
)
_EN: Mapping[str, str] = MappingProxyType(
    {
        "national_id": "national ID",
        "arc": "resident certificate number",
        "passport": "passport number",
        "health_card": "health card number",
        "plate": "number plate",
        "card": "card number",
        "iban": "account number",
        "mobile": "mobile number",
        "landline": "phone number",
        "email": "e-mail address",
        "address": "address",
        "ubn": "business number",
        "private_key": "private key",
        "token": "key",
        "password": "password",
    }
)
_SV: Mapping[str, str] = MappingProxyType(
    {
        "national_id": "id-nummer",
        "arc": "uppehållstillstånd",
        "passport": "passnummer",
        "health_card": "kortnummer",
        "plate": "registreringsnummer",
        "card": "kortnummer",
        "iban": "kontonummer",
        "mobile": "mobilnummer",
        "landline": "telefonnummer",
        "email": "e-postadress",
        "address": "adress",
        "ubn": "organisationsnummer",
        "private_key": "privat nyckel",
        "token": "nyckel",
        "password": "lösenord",
    }
)
_AR: Mapping[str, str] = MappingProxyType(
    {
        "national_id": "رقم الهوية",
        "arc": "رقم الإقامة",
        "passport": "رقم الجواز",
        "health_card": "رقم البطاقة الصحية",
        "plate": "رقم اللوحة",
        "card": "رقم البطاقة",
        "iban": "رقم الحساب",
        "mobile": "رقم الجوال",
        "landline": "رقم الهاتف",
        "email": "البريد الإلكتروني",
        "address": "العنوان",
        "ubn": "الرقم الموحد",
        "private_key": "المفتاح الخاص",
        "token": "المفتاح",
        "password": "كلمة المرور",
    }
)
_FORMS: Mapping[str, tuple[Mapping[str, str], str]] = MappingProxyType(
    {
        "zh-TW": (_ZH, "〔{}已遮蔽〕"),
        "en": (_EN, "[{} removed]"),
        "sv-SE": (_SV, "[{} borttaget]"),
        "ar-SA": (_AR, "[حُجب {}]"),
    }
)


def mask_for(kind: str, locale: str) -> str:
    """Return the words that stand where a finding of a kind was."""
    names, form = _FORMS.get(locale, _FORMS["en"])
    return form.format(names[kind])
