//! The description of the local API (OpenAPI), made from the routes and types themselves.

use std::sync::OnceLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ServerBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use super::error::PROBLEM_JSON;
use super::routes;
use super::types::ProblemDetails;

/// How ids of every kind are described.
#[allow(dead_code, reason = "it stands for the types of the protocol in descriptions only")]
pub(super) struct Id;

impl PartialSchema for Id {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[0-9a-f]{64}$"))
            .description(Some("An id: 64 lower-case hexadecimal digits."));
        text.into()
    }
}

impl ToSchema for Id {}

/// Any JSON object.
struct AnyObject;

impl PartialSchema for AnyObject {
    fn schema() -> RefOr<Schema> {
        Object::new().into()
    }
}

impl ToSchema for AnyObject {}

const ABOUT: &str = "The API of a node for programs of its own computer. Names stand for ids and \
                     ids for names wherever something is selected. Every answer is given when \
                     what it shows is durable.";

/// The errors that any route can answer with.
const PROBLEMS: [(&str, &str); 8] = [
    ("400", "The request is not valid."),
    ("401", "Neither this node's token nor a session."),
    ("403", "Another page or host asks, or this agent may not."),
    ("404", "There is nothing of that name or id."),
    ("409", "What is there already forbids it."),
    ("429", "This caller has too much open."),
    ("500", "The node cannot do it now."),
    ("503", "The node did not answer in time."),
];
/// The errors of routes that take a body.
const BODY_PROBLEMS: [(&str, &str); 2] =
    [("413", "The body is too large."), ("415", "The body is not `application/json`.")];

/// What is said before any route.
pub(super) fn head() -> OpenApi {
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The content of the file `api-token` in the node's home."))
        .build();
    let cookie = ApiKeyValue::with_description(
        "conclave-PORT",
        "Set by the one-time link `/open/CODE` that `POST /v1/links` gives. Changes need the \
         header `Origin` too.",
    );
    let problems = PROBLEMS.into_iter().chain(BODY_PROBLEMS);
    let problems = problems.map(|(status, about)| (problem_name(status), problem(about)));
    let components = ComponentsBuilder::new()
        .responses_from_iter(problems)
        .security_scheme("token", SecurityScheme::Http(token))
        .security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)))
        .schema("ProblemDetails", ProblemDetails::schema())
        .build();
    let info = InfoBuilder::new()
        .title("Conclave local API")
        .version("1")
        .description(Some(ABOUT))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([ServerBuilder::new().url("http://127.0.0.1:PORT").build()]))
        .components(Some(components))
        .security(Some([
            SecurityRequirement::new("token", [""; 0]),
            SecurityRequirement::new("session", [""; 0]),
        ]))
        .build()
}

/// The whole description.
pub(super) fn document() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let (_, mut api) = routes::described().split_for_parts();
        for item in api.paths.paths.values_mut() {
            for operation in operations(item) {
                add_problems(operation);
            }
        }
        // Our own types always have JSON.
        api.to_pretty_json().unwrap_or_default() + "\n"
    })
}

/// This description.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    responses((status = 200, description = "OpenAPI, as JSON.", body = AnyObject))
)]
pub(super) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], document())
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete, &mut item.patch];
    all.into_iter().flatten()
}

fn add_problems(operation: &mut Operation) {
    let of_body = operation.request_body.is_some().then_some(BODY_PROBLEMS);
    for (status, _) in PROBLEMS.into_iter().chain(of_body.into_iter().flatten()) {
        let problem = Ref::from_response_name(problem_name(status));
        operation.responses.responses.insert(status.to_owned(), problem.into());
    }
}

fn problem_name(status: &str) -> String {
    format!("Problem{status}")
}

fn problem(about: &str) -> Response {
    let schema = Ref::from_schema_name("ProblemDetails");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(about).content(PROBLEM_JSON, content).build()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Where the description is kept for readers of the documents.
    const COPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/openapi.json");

    fn parsed() -> Value {
        serde_json::from_str(document()).expect("JSON")
    }

    fn each(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
        value.as_object().expect("an object").iter()
    }

    #[test]
    fn the_copy_among_the_documents_is_this_one() {
        if std::env::var_os("CONCLAVE_WRITE_OPENAPI").is_some() {
            std::fs::write(COPY, document()).expect("writable");
        }
        let copy = std::fs::read_to_string(COPY).expect("readable");
        assert!(
            copy == document(),
            "the API has changed: run this test with CONCLAVE_WRITE_OPENAPI=1 and look at the \
             difference in docs/src/openapi.json",
        );
    }

    #[test]
    fn every_route_parameter_and_type_is_described() {
        let api = parsed();
        let described = |value: &Value| value.as_str().is_some_and(|text| text.len() > 3);
        let mut bare = Vec::new();
        for (path, item) in each(&api["paths"]) {
            for (method, operation) in each(item) {
                let route = format!("{method} {path}");
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    if !described(&parameter["description"]) {
                        bare.push(format!("{route}: {}", parameter["name"]));
                    }
                }
                let responses = &operation["responses"];
                let answers = responses["200"].is_object() && responses["401"].is_object();
                if !described(&operation["summary"]) || !answers {
                    bare.push(route);
                }
            }
        }
        for (name, schema) in each(&api["components"]["schemas"]) {
            for (field, about) in schema["properties"].as_object().into_iter().flatten() {
                // Of what may be null, the other choice says what it is.
                let says = [about, &about["oneOf"][0]].map(|about| &about["description"]);
                if about.get("$ref").is_none() && !says.into_iter().any(described) {
                    bare.push(format!("{name}.{field}: {about}"));
                }
            }
        }
        assert!(bare.is_empty(), "without a description:\n{}", bare.join("\n"));
    }

    #[test]
    fn ids_and_times_are_texts_of_a_kind() {
        let message = &parsed()["components"]["schemas"]["Message"]["properties"];
        let refers = |field: &str| message[field]["$ref"].as_str().unwrap_or_default().to_owned();
        assert!(refers("id").ends_with("/Id") || message["id"]["pattern"].is_string(), "{message}");
        let time = &message["time"];
        assert!(refers("time").ends_with("/Time") || time["format"] == "date-time", "{message}");
    }
}
