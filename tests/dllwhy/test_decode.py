import codecs
import locale
import sys

import pytest

from dllwhy.decode import decoded

TEXT = "LINK : fatal error LNK1181: 无法打开输入文件“turbojpeg.lib”\r\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    ],
)
def test_unicode_is_read_with_and_without_a_byte_order_mark(data: bytes) -> None:
    assert decoded(data) == TEXT


@pytest.mark.skipif(sys.platform == "win32", reason="Windows is asked for its own code page")
def test_what_is_not_unicode_is_read_in_the_code_page_of_the_machine(monkeypatch) -> None:
    monkeypatch.setattr(locale, "getencoding", lambda: "gbk")
    assert decoded(TEXT.encode("gbk")) == TEXT


def test_what_is_cut_off_or_foreign_does_no_harm() -> None:
    cut = codecs.BOM_UTF16_LE + "a.lib".encode("utf-16-le")[:-1]
    assert decoded(cut) == "a.li\ufffd"
    assert "turbojpeg.lib" in decoded(TEXT.encode("gbk"))
