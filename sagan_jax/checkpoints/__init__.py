"""Trained models on disk: checkpoints of a run, exported models, their facts and cards.

Arrays are pytrees here and facts are typed records; `migrations` alone knows earlier schemas.
Nothing here knows how a model is trained or rendered with.
"""

__all__ = ("checkpoint", "exported_model", "facts", "keep", "model_card", "stats_log")
