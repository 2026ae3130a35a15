"""Translation of a scene into the look of another one, learnt from tiles of both that show different places."""

from hsiattn.adaptation.translation.method import TranslatedModel, train_on_translation
from hsiattn.adaptation.translation.settings import TranslationSettings
from hsiattn.adaptation.translation.training import train_translation
from hsiattn.adaptation.translation.translated_source import TranslatedSource
from hsiattn.adaptation.translation.translator import Translator
from hsiattn.adaptation.translation.writing import write_translation

__all__ = [
    "TranslatedModel",
    "TranslatedSource",
    "TranslationSettings",
    "Translator",
    "train_on_translation",
    "train_translation",
    "write_translation",
]
