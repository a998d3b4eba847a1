package org.ringworld.tokenizer.bpe;

import com.google.protobuf.InvalidProtocolBufferException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.TokenizerFiles;
import org.ringworld.tokenizer.proto.ModelProto;
import org.ringworld.tokenizer.proto.NormalizerSpec;
import org.ringworld.tokenizer.proto.Piece;
import org.ringworld.tokenizer.proto.TrainerSpec;

/**
 * A {@code tokenizer.model} that was read and found whole.
 *
 * @param ids of all pieces by their text
 * @param unknown id of the one unknown piece
 */
record SentencePieceModel(
        TokenizerFiles files,
        List<Piece> pieces,
        Map<String, Integer> ids,
        int unknown,
        TrainerSpec trainer,
        NormalizerSpec normalizer) {
    /** SentencePiece's mark for a space. */
    static final String SPACE = "\u2581";

    private static final int LONGEST_FILE = 1 << 24;
    private static final int LONGEST_PIECE = 512;

    /**
     * @throws DataException where it is damaged, or needs what is not supported, which is named
     */
    static SentencePieceModel read(TokenizerFiles files) throws DataException {
        Path path = files.file();
        if (files.main().length > LONGEST_FILE) {
            throw new DataException(path + ": is over 16 MiB, which no SentencePiece model is");
        }
        ModelProto proto;
        try {
            proto = ModelProto.parseFrom(files.main());
        } catch (InvalidProtocolBufferException e) {
            throw new DataException(
                    path + ": is no SentencePiece model, or is damaged: " + e.getMessage(), e);
        }
        refuseUnsupported(path, proto);
        return new SentencePieceModel(
                files,
                proto.getPiecesList(),
                ids(path, proto),
                unknown(path, proto),
                proto.getTrainerSpec(),
                proto.getNormalizerSpec());
    }

    private static void refuseUnsupported(Path path, ModelProto proto) throws DataException {
        TrainerSpec trainer = proto.getTrainerSpec();
        NormalizerSpec normalizer = proto.getNormalizerSpec();
        if (proto.getPiecesCount() == 0) {
            throw new DataException(path + ": holds no pieces, it is no SentencePiece model");
        }
        if (trainer.getModelType() != TrainerSpec.ModelType.BPE) {
            throw new DataException(
                    "%s: its model_type is %s, only BPE is supported"
                            .formatted(path, trainer.getModelType()));
        }
        if (trainer.getTreatWhitespaceAsSuffix()) {
            throw new DataException(path + ": treat_whitespace_as_suffix is not supported");
        }
        if (!normalizer.getPrecompiledCharsmap().isEmpty()) {
            throw new DataException(
                    "%s: its normalizer %s is not supported, only identity is"
                            .formatted(path, normalizer.getName()));
        }
    }

    private static Map<String, Integer> ids(Path path, ModelProto proto) throws DataException {
        Map<String, Integer> ids = new HashMap<>();
        int bytes = 0;
        for (int id = 0; id < proto.getPiecesCount(); id++) {
            Piece piece = proto.getPieces(id);
            String fault = null;
            if (piece.getPiece().isEmpty()) {
                fault = "is empty";
            } else if (piece.getPiece().length() > LONGEST_PIECE) {
                fault = "is longer than " + LONGEST_PIECE + " characters";
            } else if (Float.isNaN(piece.getScore())) {
                fault = "has the score NaN";
            } else if (ids.put(piece.getPiece(), id) != null) {
                fault = "(" + piece.getPiece() + ") is there twice";
            } else if (piece.getType() == Piece.Type.BYTE) {
                bytes++;
                fault = isByte(piece) ? null : "(" + piece.getPiece() + ") names no byte";
            }
            if (fault != null) {
                throw new DataException("%s: piece %d %s".formatted(path, id, fault));
            }
        }
        if (proto.getTrainerSpec().getByteFallback() && bytes != 256) {
            throw new DataException(
                    "%s: has byte_fallback, but %d of the 256 byte pieces".formatted(path, bytes));
        }
        return ids;
    }

    private static boolean isByte(Piece piece) {
        return piece.getPiece().matches("<0x[0-9A-F]{2}>");
    }

    private static int unknown(Path path, ModelProto proto) throws DataException {
        int unknown = -1;
        for (int id = 0; id < proto.getPiecesCount(); id++) {
            if (proto.getPieces(id).getType() == Piece.Type.UNKNOWN) {
                if (unknown >= 0) {
                    throw new DataException(path + ": has two unknown pieces");
                }
                unknown = id;
            }
        }
        if (unknown < 0) {
            throw new DataException(path + ": has no unknown piece");
        }
        return unknown;
    }

    /** The id of a control piece, or −1. */
    int control(String piece) {
        int id = ids.getOrDefault(piece, -1);
        return id >= 0 && pieces.get(id).getType() == Piece.Type.CONTROL ? id : -1;
    }

    /** Whether text can become this piece, or a longer one through it. */
    static boolean isText(Piece piece) {
        return switch (piece.getType()) {
            case NORMAL, USER_DEFINED, UNUSED -> true;
            case UNKNOWN, CONTROL, BYTE -> false;
        };
    }

    static int byteOf(Piece piece) {
        return Integer.parseInt(piece.getPiece(), 3, 5, 16);
    }

    static String byteName(int b) {
        return "<0x%02X>".formatted(b);
    }
}
