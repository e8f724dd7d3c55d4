"""Rows of the tables of words and positions as this program reads them in bf16: rounded, added in f32. Autocast reads f32."""


def _rounded(_module, _given, rows):
    return rows + (rows.bfloat16().float() - rows).detach()  # exactly the rounded rows; their gradient is that of the rows


def round_tables(model):
    for at, table in model.named_modules():
        if at.endswith(("word_embeddings", "position_embeddings")):
            table.register_forward_hook(_rounded)
    return model
