"""One picture as bytes: decoded by Pillow, by one rule for each way in which pictures are stored."""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from netspec.data.faults import data_error, environment_fault, shown
from netspec.diagnostics import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

    from netspec.data.table import Array

Colour: TypeAlias = Literal["grey", "rgb"]
Background: TypeAlias = Literal["black", "white"]

# Not all that Pillow reads: some formats run other programs, and some are documents.
_FORMATS: Final = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_GREY: Final = ("1", "L", "LA")
_COLOURED: Final = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
_MOST_PIXELS: Final = 100_000_000
_ORIENTATION: Final = 0x0112  # the tag of EXIF


@dataclass(frozen=True)
class Form:
    """What pictures are made: ``size`` is height and width, None as they are; ``color`` None as they are."""

    size: tuple[int, int] | None = None
    color: Colour | None = None
    background: Background | None = None


def require_pillow() -> None:
    """Whether pictures can be decoded.

    Raises:
        EnvironmentFault: if Pillow is not installed.
    """
    if find_spec("PIL") is None:
        helps = ["pip install 'netspec[data]'"]
        raise environment_fault("missing-package", "pictures are read by Pillow, which is not installed", helps=helps)


def decode(content: bytes, name: str, form: Form) -> Array:
    """The pixels of a picture, ``uint8[height, width, channels]``.

    It is turned as its EXIF data say. Of several pictures in a file the first is taken. A palette is looked up. An
    alpha channel that hides nothing falls away; one that does needs a ``background``. Grey is made of colours by
    their luma, 0.299 R + 0.587 G + 0.114 B. Then it is resized to ``size``, whatever its proportions, each new pixel
    being a mean over the old ones around it with weights that fall linearly.

    Args:
        content: the file.
        name: what to call it in a message.
        form: what it is made.

    Raises:
        DataError: if it is no picture, is damaged, too large, has 16 bits a channel, or hides pixels.
    """
    import numpy as np
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            _check(picture, content, name)
            picture.load()
            turned = picture if picture.getexif().get(_ORIENTATION, 1) == 1 else ImageOps.exif_transpose(picture)
            plain = _plain(turned, name, form)
            if form.size is not None and plain.size != form.size[::-1]:
                plain = plain.resize(form.size[::-1], Image.Resampling.BILINEAR)
            pixels: Array = np.asarray(plain)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # of a dozen decoders
        raise _unreadable(content, name, error) from None
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _check(picture: Image, content: bytes, name: str) -> None:
    if picture.width * picture.height > _MOST_PIXELS:
        raise _too_large(name)
    is_deep_png = picture.format == "PNG" and content[24:25] == b"\x10"  # Pillow cuts these to 8 bits in silence
    if is_deep_png or picture.mode not in (*_GREY, *_COLOURED):
        what = "16 bits a channel" if is_deep_png or picture.mode.startswith("I") else f"pixels of mode {picture.mode}"
        helps = ["save it with 8 bits a channel, in grey or RGB"]
        raise data_error("bad-picture", f"{name} has {what}, and 8 bits are read", helps=helps)


def _plain(picture: Image, name: str, form: Form) -> Image:
    """The picture without alpha, in grey or in RGB."""
    from PIL import Image

    mode = "L" if (form.color or colour_of(picture)) == "grey" else "RGB"
    if not picture.has_transparency_data:
        return picture if picture.mode == mode else picture.convert(mode)
    whole = picture.convert("RGBA")
    alpha = whole.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return whole.convert("RGB").convert(mode)
    if form.background is None:
        helps = ["say what shows through: `background: white` or `background: black`"]
        raise data_error("bad-picture", f"{name} has transparent pixels", helps=helps)
    behind = Image.new("RGBA", whole.size, form.background)
    return Image.alpha_composite(behind, whole).convert("RGB").convert(mode)


def colour_of(picture: Image) -> Colour:
    """Whether a picture is stored in grey; one with a palette is taken for coloured."""
    return "grey" if picture.mode in _GREY else "rgb"


def _too_large(name: str) -> Exception:
    message = f"{name} has more pixels than the {_MOST_PIXELS:,} that are read"
    return data_error("bad-picture", message, helps=["make it smaller"])


def _unreadable(content: bytes, name: str, error: Any) -> Exception:
    from PIL import Image, UnidentifiedImageError

    if not content:
        return data_error("bad-picture", f"{name} is empty")
    if isinstance(error, Image.DecompressionBombError):
        return _too_large(name)
    if isinstance(error, UnidentifiedImageError):
        message = f"{name} is no picture in any of the formats {', '.join(_FORMATS)}"
        notes = [f"it begins with {content[:4].hex(' ')}"]
    else:
        message, notes = f"{name} is cut short or damaged", [f"Pillow says: {shown(str(error), 200)}"]
    return data_error("bad-picture", message, notes=notes, helps=["fetch or write it again, or take it away"])
