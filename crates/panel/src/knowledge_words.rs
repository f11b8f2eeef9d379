//! What is said of documents and of why they were refused, in people's words.

use knowledge::{ChildError, KnowledgeError, ReadError};
use ui::Lang;

pub(crate) fn format_name(lang: Lang, format: &str) -> &'static str {
    match format {
        "pair" => lang.t("Pergunta e resposta", "Question and answer"),
        "csv" | "xlsx" => lang.t("Tabela", "Table"),
        "pdf" => "PDF",
        "docx" => "Word",
        "html" => "HTML",
        "markdown" => lang.t("Texto", "Text"),
        _ => lang.t("Texto", "Text"),
    }
}

/// A refusal of the knowledge in people's words.
pub(crate) fn why(lang: Lang, error: &KnowledgeError) -> String {
    if lang == Lang::En {
        return error.to_string();
    }
    match error {
        KnowledgeError::TooLarge { .. } => {
            "O arquivo passa de 20 MB. Divida-o em partes.".to_owned()
        }
        KnowledgeError::Pair => {
            "A pergunta tem de 3 a 500 letras, a resposta de 1 a 4.000.".to_owned()
        }
        KnowledgeError::Name => {
            "O nome do arquivo tem de 1 a 200 letras, sem quebras de linha.".to_owned()
        }
        KnowledgeError::Pieces { pieces, limit, .. } => format!(
            "O documento daria {} trechos; cabem no máximo {}. Divida-o em partes.",
            ui::count(number(*pieces), lang),
            ui::count(number(*limit), lang)
        ),
        KnowledgeError::TenantFull { .. } => {
            "O conhecimento está cheio. Remova o que não é mais preciso e envie de novo.".to_owned()
        }
        KnowledgeError::Raced(_) => {
            "Outro envio com o mesmo nome chegou antes. Envie de novo.".to_owned()
        }
        KnowledgeError::Running => "Os documentos já estão sendo preparados de novo.".to_owned(),
        KnowledgeError::Read(cause) => unread(cause),
        other => crate::causes::cause(lang, &other.to_string()),
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Why a file could not be read, in Portuguese.
fn unread(cause: &ReadError) -> String {
    match cause {
        ReadError::Unsupported(_) => {
            "Este tipo de arquivo não é lido. Use PDF, Word, Markdown, texto, HTML ou CSV.".to_owned()
        }
        ReadError::Empty(_) => {
            "O arquivo está vazio. Salve-o outra vez e envie de novo.".to_owned()
        }
        ReadError::NoText(_) => {
            "Não há texto que se possa ler: está em branco, ou é um PDF digitalizado, que precisa virar texto antes.".to_owned()
        }
        ReadError::NoPageText(_) => {
            "Não há texto que se possa ler nesta página: só menus, ou o que um script mostra. Copie o texto para um arquivo .txt ou .docx.".to_owned()
        }
        ReadError::HeaderOnly(_) => {
            "A tabela só tem a linha de títulos. Preencha ao menos uma linha.".to_owned()
        }
        ReadError::Binary(_) => {
            "Isto não é texto: talvez seja um arquivo de outro tipo, renomeado.".to_owned()
        }
        ReadError::Misnamed { content, .. } => misnamed(content),
        ReadError::CutOff(_) => {
            "O arquivo chegou cortado: falta o fim dele. Envie de novo.".to_owned()
        }
        ReadError::Locked(_) => {
            "O arquivo está protegido por senha. Salve uma cópia sem senha e envie essa.".to_owned()
        }
        ReadError::HalfPairs { half, .. } => format!(
            "{half} linhas têm só a pergunta ou só a resposta, e nenhuma tem as duas. Preencha as duas colunas."
        ),
        ReadError::Unpacks { limit, .. } => {
            format!("O conteúdo do arquivo passa de {limit} MB ao ser aberto. Divida-o em partes.")
        }
        ReadError::TooMuchText { limit, .. } => {
            format!("O arquivo tem mais de {limit} MB de texto. Divida-o em partes.")
        }
        ReadError::Broken { format, .. } => format!(
            "O arquivo não pôde ser lido como {}: talvez esteja danificado.",
            format_name(Lang::Pt, format.name())
        ),
        ReadError::Child { cause, .. } => match cause {
            ChildError::Busy => {
                "Muitos arquivos estão sendo lidos agora. Tente de novo daqui a pouco.".to_owned()
            }
            ChildError::Memory(limit) => format!(
                "O arquivo precisa de mais de {limit} MB de memória para ser lido. Divida-o em partes."
            ),
            ChildError::Time(_) => {
                "A leitura do arquivo não termina: ele está danificado ou é complexo demais. Salve-o outra vez, ou divida-o em partes.".to_owned()
            }
            ChildError::Depth => {
                "O arquivo está danificado: o conteúdo se repete dentro de si mesmo. Salve-o outra vez.".to_owned()
            }
            ChildError::Crash => "O arquivo está danificado. Salve-o outra vez.".to_owned(),
            ChildError::Output(limit) => {
                format!("O arquivo tem mais de {limit} MB de texto. Divida-o em partes.")
            }
            ChildError::Stopping => {
                "O sistema está reiniciando. Tente de novo daqui a pouco.".to_owned()
            }
            ChildError::NotConfined(_) | ChildError::Start(_) => {
                "O sistema não consegue ler arquivos agora. Avise quem cuida dele.".to_owned()
            }
        },
    }
}

/// What a file is, when its name says something else.
fn misnamed(content: &str) -> String {
    let (what, then) = match content {
        "a PDF" => ("um PDF", "mude o nome para .pdf"),
        "a Word file" => ("um arquivo do Word", "mude o nome para .docx"),
        "an Excel file" => ("uma planilha do Excel", "mude o nome para .xlsx"),
        "a PowerPoint file" => ("um arquivo do PowerPoint", "salve como PDF e envie esse"),
        "an OpenDocument file" => {
            ("um arquivo do LibreOffice", "salve como .docx ou PDF e envie esse")
        }
        "a ZIP archive" => ("um arquivo ZIP", "abra-o e envie os arquivos que estão nele"),
        "an old Office file (Word 97 to 2003)" => {
            ("um arquivo antigo do Office (97 a 2003)", "salve como .docx ou PDF e envie esse")
        }
        "rich text (RTF)" => ("um arquivo RTF", "salve como .docx ou PDF e envie esse"),
        "a web page (HTML)" => {
            ("uma página da internet", "mude o nome para .html, ou salve o documento em si")
        }
        "plain text" => ("texto puro", "mude o nome para .txt"),
        "a picture" => ("uma imagem", "envie o texto, ou um PDF com texto"),
        _ => ("outra coisa", "salve de novo neste formato e envie esse"),
    };
    format!("O arquivo não é o que o nome diz: é {what}. Para enviar, {then}.")
}
